-- What all scripts share.
--
-- KEYS of all: 1 the site (hash); 2 the offsets (hash); 3 the views of the site (hash); 4 the records of articles (hash);
--              5 their pasts (hash); 6 the sections (hash); 7 the lists by name (hash); 8 what the keys of lists begin with
--
-- Redis does not roll back, so everything that can fail is checked before the first write.

local call, pcall = redis.call, redis.pcall
local match, find, sub, format, byte = string.match, string.find, string.sub, string.format, string.byte
local VERSION = '2'
-- The offset and the revision before the first change.
local START = '0:0000000000000000'
-- The most views of a counter: 2^53 - 1, up to which Lua's numbers are exact.
local MAX = 9007199254740991
-- Lua's stack limits the arguments of a call.
local CHUNK = 1000
-- The bounds of a most-read list.
local LEAST, MOST = 100, 128
local SITE, OFFSETS, VIEWS, ARTICLES, PAST, SECTIONS, LISTS = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]

-- A number as text. Lua prints 14 digits of a number, and more must be exact.
local function text(number)
    if number < 1e14 then return number end
    return format('%.0f', number)
end

-- Whether a counter has reached its maximum.
local saturated = 0

local function sum(count, views)
    local total = count + views
    if total <= MAX then return total end
    saturated = 1
    return MAX
end

-- What to return if a key could not be read; nil if it could.
local function failed(reply, key)
    if type(reply) ~= 'table' or not reply.err then return nil end
    if find(reply.err, 'WRONGTYPE', 1, true) then return {3, key} end
    return reply
end

-- The site's version, revision, latest time and clock ahead; or what to return. Also looks at the names of lists, to which any
-- change of a list can write.
local function read_site()
    local site = pcall('HMGET', SITE, 'version', 'revision', 'latest', 'ahead')
    local failure = failed(site, SITE) or failed(pcall('HEXISTS', LISTS, ''), LISTS)
    if failure then return nil, failure end
    if not site[1] and call('EXISTS', ARTICLES) == 1 then return nil, {5, SITE} end
    if not site[1] and call('EXISTS', VIEWS) == 1 then return nil, {4, '1'} end
    if site[1] and site[1] ~= VERSION then return nil, {4, site[1]} end
    local plain = find(site[2] or '0:0000000000000000', '^%d+:%x+$') and find(site[3] or '0', '^%-?%d+$')
        and find(site[4] or '0:0', '^%-?%d+:%-?%d+$')
    if not plain then return nil, {3, SITE, ''} end
    return site
end

-- By how much the clock may advance, how long it must hold after a jump, and how often the latest time is written.
local MAX_STEP, HOLD, STEP = 86400, 21600, 3600

-- Takes in a clock's time: the latest time that is trusted, since and last a clock was far away from it (or nil), whether this
-- one is trusted, and whether it is far away for the first time.
local function observe(site, now)
    local latest = tonumber(site[3] or '')
    if not latest then return now, nil, true, false end
    if math.abs(now - latest) <= MAX_STEP then
        if now - latest >= STEP then latest = now end
        return latest, nil, true, false
    end
    local since, last = match(site[4] or '', '^(%-?%d+):(%-?%d+)$')
    since, last = tonumber(since), tonumber(last)
    if not since or now < since or now - last > MAX_STEP then return latest, now .. ':' .. now, false, true end
    if now - since >= HOLD then return now, nil, true, false end
    return latest, since .. ':' .. now, false, false
end

local function write_time(site, latest, ahead)
    if latest ~= tonumber(site[3] or '') then call('HSET', SITE, 'latest', text(latest)) end
    if ahead then
        call('HSET', SITE, 'ahead', ahead)
    elseif site[4] then
        call('HDEL', SITE, 'ahead')
    end
end

-- The revision after one more change.
local function next_revision(revision, change)
    local number = match(revision, '^(%d+):')
    return text((tonumber(number) or 0) + 1) .. ':' .. sub(redis.sha1hex(revision .. change), 1, 16)
end

-- The most-read lists by what follows KEYS[8] in their names, as they were at the beginning, with what is added to them.
local lists, list_names = {}, {}

-- A list; or what to return.
local function open_list(name)
    local list = lists[name]
    if list then return list end
    local key = KEYS[8] .. name
    local rows = pcall('ZCARD', key)
    local failure = failed(rows, key)
    if failure then return nil, failure end
    list = {rows = rows, added = {}, lowered = {}, removed = {}}
    if rows >= LEAST then
        local last = call('ZRANGE', key, -1, -1, 'WITHSCORES')
        list.last, list.views = last[1], -tonumber(last[2])
    end
    lists[name] = list
    list_names[#list_names + 1] = name
    return list
end

-- Whether a text comes after another one by its bytes, as Redis sorts. Lua compares by the locale of the server.
local function is_after(a, b)
    local at = 1
    while true do
        local x, y = byte(a, at), byte(b, at)
        if x ~= y then return (x or -1) > (y or -1) end
        if not x then return false end
        at = at + 1
    end
end

-- Whether a list is long, and a count is too small for it.
local function is_beaten(list, article, views)
    return list.rows >= LEAST and (views < list.views or (views == list.views and is_after(article, list.last)))
end

-- Takes a count that has grown into a list if it belongs there. A list with fewer rows than the least has all articles of its
-- bucket. All others of a longer one are behind its last row.
local function enter(list, article, views)
    if is_beaten(list, article, views) then return end
    local added = list.added
    added[#added + 1] = '-' .. text(views)
    added[#added + 1] = article
end

-- Takes a count that has shrunk into a list that has the article: rows are always exact.
local function lower(list, article, views)
    if views == 0 or is_beaten(list, article, views) then
        list.removed[#list.removed + 1] = article
        return
    end
    local lowered = list.lowered
    lowered[#lowered + 1] = '-' .. text(views)
    lowered[#lowered + 1] = article
end

-- The sections of the site.
local sections = {}

-- Reads them; returns what to return if it cannot.
local function read_sections()
    local names = pcall('HKEYS', SECTIONS)
    local failure = failed(names, SECTIONS)
    if not failure then sections = names end
    return failure
end

-- Takes an article's count into the lists of a bucket by one of the two functions above; returns what to return if a list
-- cannot be read.
local function count_in_lists(take, name, article, views)
    local list, failure = open_list(name)
    if failure then return failure end
    take(list, article, views)
    for _, section in ipairs(sections) do
        if sub(article, 1, #section) == section then
            list, failure = open_list(name .. ':' .. section)
            if failure then return failure end
            take(list, article, views)
        end
    end
end

-- Passes the words of a long list to a command, some at a time; an even number of them.
local function write_some(words, command, key, option)
    for from = 1, #words, 2 * CHUNK do
        local last = math.min(#words, from + 2 * CHUNK - 1)
        if option then
            call(command, key, option, unpack(words, from, last))
        else
            call(command, key, unpack(words, from, last))
        end
    end
end

local function write_lists()
    for _, name in ipairs(list_names) do
        local list, key = lists[name], KEYS[8] .. name
        write_some(list.removed, 'ZREM', key)
        write_some(list.lowered, 'ZADD', key, 'XX')
        write_some(list.added, 'ZADD', key)
        if #list.added > 0 then
            if list.rows == 0 and call('HEXISTS', LISTS, name) == 0 then call('HSET', LISTS, name, '') end
            if list.rows + #list.added / 2 > MOST and call('ZCARD', key) > MOST then call('ZREMRANGEBYRANK', key, LEAST, -1) end
        end
        -- It lacks articles that were behind its last row.
        if #list.removed > 0 and list.rows >= LEAST and call('ZCARD', key) < LEAST then call('HSET', LISTS, name, '0 ') end
    end
end

-- Reads sets of buckets, from an argument that is their number on. For each set: the numbers of its day, week, month and year,
-- or '' for none; '1' if it has the total, otherwise ''; the names of these five buckets, or ''. The oldest periods that are kept
-- follow another argument. Returns the sets and the argument after them.
local function read_sets(at, oldest, trusted)
    local sets = {}
    for i = 1, tonumber(ARGV[at]) do
        local first = at + 1 + (i - 1) * 10
        local set = {total = ARGV[first + 4] ~= '', numbers = {}, names = {}}
        for kind = 1, 4 do
            local number = ARGV[first + kind - 1]
            -- What has expired does not change.
            if number ~= '' and not (trusted and tonumber(number) < tonumber(ARGV[oldest + kind])) then set.numbers[kind] = number end
        end
        for kind = 1, 5 do set.names[kind] = ARGV[first + 4 + kind] end
        sets[i] = set
    end
    return sets, at + 1 + #sets * 10
end

-- A user who may not run all of the writes must not run some of them. The writes have as many arguments as their commands take,
-- which Redis checks first, but are otherwise invalid or change nothing. Returns what to return if one is forbidden.
local function check_rights(writes)
    for _, write in ipairs(writes) do
        if redis.acl_check_cmd then
            if not redis.acl_check_cmd(unpack(write)) then
                return redis.error_reply('NOPERM this user may not run ' .. write[1] .. ' on the keys of this site')
            end
        else
            -- Redis before 7 has no such check, but it checks permissions before values.
            local reply = pcall(unpack(write))
            local error = type(reply) == 'table' and reply.err or 'ERR'
            if not (find(error, '^ERR') or find(error, '^WRONGTYPE')) then return reply end
        end
    end
end

