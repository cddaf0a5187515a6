-- Adds increments to the counters of a site and moves a producer's offset: both, or neither.
--
-- KEYS  1 the offsets (hash); 2 the views of the site (hash); 3 the offsets of idle producers (hash);
--       4 and up: the views of articles (one sorted set per bucket)
-- ARGV  1 the producer; 2 the offset that must be stored; 3 the new offset
--       4 the number of the site's buckets; then for each: bucket, views
--       then groups of sorted sets that take the same increments, in the order of KEYS:
--       number of sets; number of articles; for each set its EXPIREAT or 0; for each article: views, article
--
-- Returns {1, offsets of all other producers} if it was applied. Otherwise nothing was changed: {0, offset} if the stored
-- offset is a different one, {2, bucket or key} if a count would exceed 2^53-1, {3, key} if a key holds a value that
-- truycap did not write.
--
-- Redis does not roll back, so everything that can fail is checked before the first write.

local call, pcall = redis.call, redis.pcall
local MAX = 9007199254740991
local CHUNK = 1000
-- Digits of an offset: every number of 19 digits fits into 64 bits.
local MAX_DIGITS = 19

-- What to return if a key could not be read; nil if it could.
local function failed(reply, key)
    if type(reply) ~= 'table' or not reply.err then return nil end
    if string.find(reply.err, 'WRONGTYPE', 1, true) then return {3, key} end
    return reply
end

-- A user who may not run all of the writes must not run some of them.
local last = KEYS[#KEYS]
if redis.acl_check_cmd then
    local writes = {
        {'HINCRBY', KEYS[2], '', 1}, {'ZADD', last, 1, ''}, {'EXPIREAT', last, 0},
        {'HDEL', KEYS[3], ''}, {'HSET', KEYS[1], '', 0},
    }
    for _, write in ipairs(writes) do
        if not redis.acl_check_cmd(unpack(write)) then
            return redis.error_reply('NOPERM this user may not run ' .. write[1] .. ' on the keys of this site')
        end
    end
else
    -- Redis before 7 has no such check, but it checks permissions before arguments: these invalid commands write nothing.
    local invalid = {
        {'HINCRBY', KEYS[2], '', ''}, {'ZADD', last, '', ''}, {'EXPIREAT', last, ''},
        {'HDEL', KEYS[3], ''}, {'HSET', KEYS[1], '', '', ''},
    }
    for _, write in ipairs(invalid) do
        local reply = pcall(unpack(write))
        local error = type(reply) == 'table' and reply.err or 'ERR'
        if not (string.find(error, '^ERR') or string.find(error, '^WRONGTYPE')) then return reply end
    end
end

local offsets = pcall('HGETALL', KEYS[1])
local failure = failed(offsets, KEYS[1])
if failure then return failure end
local stored, others = false, {}
for i = 1, #offsets, 2 do
    if offsets[i] == ARGV[1] then
        stored = offsets[i + 1]
    elseif string.find(offsets[i + 1], '^%d+$') and #offsets[i + 1] <= MAX_DIGITS then
        others[#others + 1] = offsets[i + 1]
    else
        return {3, KEYS[1]}
    end
end
local idle = not stored and pcall('HGET', KEYS[3], ARGV[1])
failure = failed(idle, KEYS[3])
if failure then return failure end
stored = stored or idle or '0'
if stored ~= ARGV[2] then return {0, stored} end

local first_group = 5 + 2 * tonumber(ARGV[4])
for i = 5, first_group - 1, 2 do
    local views = pcall('HGET', KEYS[2], ARGV[i])
    failure = failed(views, KEYS[2])
    if failure then return failure end
    views = views or '0'
    -- HINCRBY accepts no other text. A longer number exceeds MAX anyway.
    if views ~= '0' and not string.find(views, '^[1-9]%d*$') then return {3, KEYS[2]} end
    if tonumber(views) + tonumber(ARGV[i + 1]) > MAX then return {2, ARGV[i]} end
end

-- Computes the new scores for ZADD: one call for many articles costs a third less than one ZINCRBY per article, and its
-- entry in the append-only file is shorter.
local writes, expiries = {}, {}
local at, key = first_group, 4
while at <= #ARGV do
    local sets, articles = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
    local first = at + 2 + sets
    -- In chunks, because Lua's stack limits the arguments of a call.
    for from = 0, articles - 1, CHUNK do
        local names, views = {}, {}
        for i = from, math.min(from + CHUNK, articles) - 1 do
            views[#views + 1] = tonumber(ARGV[first + 2 * i])
            names[#names + 1] = ARGV[first + 2 * i + 1]
        end
        for k = key, key + sets - 1 do
            local scores = pcall('ZMSCORE', KEYS[k], unpack(names))
            failure = failed(scores, KEYS[k])
            if failure then return failure end
            local write = {}
            for i, name in ipairs(names) do
                local sum = (scores[i] or 0) + views[i]
                if sum > MAX then return {2, KEYS[k]} end
                write[2 * i - 1], write[2 * i] = sum, name
            end
            writes[#writes + 1] = {KEYS[k], write}
        end
    end
    for s = 0, sets - 1 do
        local expiry = ARGV[at + 2 + s]
        if expiry ~= '0' then expiries[KEYS[key + s]] = expiry end
    end
    at, key = first + 2 * articles, key + sets
end

for i = 5, first_group - 1, 2 do
    call('HINCRBY', KEYS[2], ARGV[i], ARGV[i + 1])
end
for _, write in ipairs(writes) do
    call('ZADD', write[1], unpack(write[2]))
end
for name, expiry in pairs(expiries) do
    call('EXPIREAT', name, expiry)
end
call('HSET', KEYS[1], ARGV[1], ARGV[3])
if idle then call('HDEL', KEYS[3], ARGV[1]) end
return {1, others}
