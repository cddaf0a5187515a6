-- Adds increments to the counters of a site and moves a producer's offset, both or neither.
--
-- KEYS  1 the offsets (hash); 2 the views of the site (hash); 3 the offsets of idle producers (hash);
--       from 4 on the views of articles (a sorted set for each bucket)
-- ARGV  1 the producer; 2 the offset it must stand at; 3 the offset it moves to
--       4 how many buckets of the site; then for each: bucket, views
--       then groups of sorted sets that take the same increments, in the order of KEYS:
--       how many sets; how many articles; for each set its EXPIREAT or 0; for each article: views, article
--
-- Answers {1, offsets of all other producers} when it is done. Otherwise nothing was changed: {0, offset} where the
-- stored offset is another, {2, bucket or key} where a count would pass 2^53-1, {3, key} where a key does not hold what
-- was put there.
--
-- Redis rolls nothing back, so all that can fail is looked at before the first write.

local call, pcall = redis.call, redis.pcall
local MAX = 9007199254740991
local CHUNK = 1000
-- Of an offset: as many as fit into 64 bits whatever they are.
local MAX_DIGITS = 19

-- What to answer where a key could not be read; nil where it could.
local function failed(reply, key)
    if type(reply) ~= 'table' or not reply.err then return nil end
    if string.find(reply.err, 'WRONGTYPE', 1, true) then return {3, key} end
    return reply
end

-- A user who may not do all of this must not do half of it.
local last = KEYS[#KEYS]
if redis.acl_check_cmd then
    local writes = {
        {'HINCRBY', KEYS[2], '', 1}, {'ZADD', last, 1, ''}, {'EXPIREAT', last, 0},
        {'HDEL', KEYS[3], ''}, {'HSET', KEYS[1], '', 0},
    }
    for _, write in ipairs(writes) do
        if not redis.acl_check_cmd(unpack(write)) then
            return redis.error_reply('NOPERM this user may not use ' .. write[1] .. ' on the keys of this site')
        end
    end
else
    -- Redis before 7 cannot be asked. But it says what it does not let a user do before it says what is wrong about it.
    local nothing = {
        {'HINCRBY', KEYS[2], '', ''}, {'ZADD', last, '', ''}, {'EXPIREAT', last, ''},
        {'HDEL', KEYS[3], ''}, {'HSET', KEYS[1], '', '', ''},
    }
    for _, write in ipairs(nothing) do
        local reply = pcall(unpack(write))
        local told = type(reply) == 'table' and reply.err or 'ERR'
        if not (string.find(told, '^ERR') or string.find(told, '^WRONGTYPE')) then return reply end
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
    -- HINCRBY takes nothing else; a longer number is past the greatest count anyhow.
    if views ~= '0' and not string.find(views, '^[1-9]%d*$') then return {3, KEYS[2]} end
    if tonumber(views) + tonumber(ARGV[i + 1]) > MAX then return {2, ARGV[i]} end
end

-- What ZADD writes is made here: a call for many articles costs a third less than ZINCRBY for each, and its line in the
-- append-only file is shorter.
local writes, expiries = {}, {}
local at, key = first_group, 4
while at <= #ARGV do
    local sets, articles = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
    local first = at + 2 + sets
    -- No more at once than the stack of Lua holds.
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
