-- One step of the upkeep of a site's sections and lists.
--
-- KEYS as in common.lua
-- ARGV  1 what to do
--       'register', a section: adds the section, to be built
--       'unregister', a section: removes it; its lists are garbage from then on
--       'build', a section, the oldest day, week, month and year that are kept, the section as a pattern: merges some articles
--       'fill', a state, a section as a pattern, and for each list: name, kind of its bucket (1 to 4, or 5 for the total), number
--       of its period: merges some articles into the section's lists that have this state
--       'pass', now (Unix time in seconds): takes in that time has passed
--       'delete', names of lists: deletes them, because their buckets have expired
--       'clean', names of lists: deletes those whose sections are not registered
--
-- Returns {1}, or {3, key, article}, {4, version} or {5, key}, as apply.lua does.

-- About how many articles one step merges.
local ARTICLES_OF_STEP = 1000

local failure = check_rights({
    {'HSET', SITE, '', '', ''}, {'HSET', SECTIONS, '', '', ''}, {'HSET', LISTS, '', '', ''}, {'HDEL', SITE, ''}, {'HDEL', SECTIONS, ''},
    {'HDEL', LISTS, ''},
    {'ZADD', KEYS[8], '', ''}, {'ZREMRANGEBYRANK', KEYS[8], '', ''}, {'UNLINK', KEYS[8]},
})
if failure then return failure end
local site
site, failure = read_site()
if failure then return failure end
failure = failed(pcall('HEXISTS', SECTIONS, ''), SECTIONS) or failed(pcall('HEXISTS', ARTICLES, ''), ARTICLES)
    or failed(pcall('HEXISTS', PAST, ''), PAST)
if failure then return failure end
local what, section = ARGV[1], ARGV[2]

-- The year, month and day of a number of days since 1970, by the calendar of 400 years of 146097 days.
local function date(days)
    local shifted = days + 719468
    local era = math.floor(shifted / 146097)
    local of_era = shifted - era * 146097
    local year = math.floor((of_era - math.floor(of_era / 1460) + math.floor(of_era / 36524) - math.floor(of_era / 146096)) / 365)
    local of_year = of_era - (365 * year + math.floor(year / 4) - math.floor(year / 100))
    local month = math.floor((5 * of_year + 2) / 153)
    local day = of_year - math.floor((153 * month + 2) / 5) + 1
    month = month < 10 and month + 3 or month - 9
    return year + era * 400 + (month <= 2 and 1 or 0), month, day
end

-- The bucket of a day, week, month or year (1 to 4) by its number since 1970.
local function bucket(kind, number)
    if kind == 1 then return format('%04d-%02d-%02d', date(number)) end
    if kind == 3 then return format('%04d-%02d', 1970 + math.floor(number / 12), number % 12 + 1) end
    if kind == 4 then return format('%04d', 1970 + number) end
    -- An ISO week belongs to the year of its Thursday. Week 0 is the one of 1 January 1970, which is a Thursday.
    local thursday = 7 * number
    local year, month, day = date(thursday)
    local days = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334}
    local leap = month > 2 and year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
    local of_year = days[month] + day - 1 + (leap and 1 or 0)
    return format('%04d-W%02d', year, math.floor(of_year / 7) + 1)
end

-- The process of Redis. The cursor of a scan is valid only in the one that returned it: another one orders the hash anew.
local function run()
    local info = pcall('INFO', 'server')
    return type(info) == 'string' and match(info, 'run_id:(%x+)') or tostring(redis)
end

-- Takes a count into a list; returns what to return if it cannot be read.
local function take(name, article, views)
    local list, failure = open_list(name)
    if failure then return failure end
    enter(list, article, views)
end

-- Merges the periods of one kind, 'number:views,number:views …'; returns what to return if they cannot be read.
local function merge(article, kind, periods, key, name_of)
    for period in string.gmatch(periods, '[^,]+') do
        local number, views = match(period, '^(%-?%d+):(%d+)$')
        if not number then return {3, key, article} end
        local name = name_of(kind, number)
        local failure = name and take(name, article, tonumber(views))
        if failure then return failure end
    end
end

-- Merges some articles, from a state 'cursor run' on, into the lists that a function names by kind and number. Returns the next
-- cursor; or nil and what to return.
local function merge_some(state, pattern, name_of)
    local cursor, of_run = match(state, '^(%d+) (.*)$')
    if of_run ~= run() then cursor = '0' end
    local found = call('HSCAN', ARTICLES, cursor, 'MATCH', pattern, 'COUNT', ARTICLES_OF_STEP)
    local articles, pasts = {}, {}
    for i = 1, #found[2], 2 do articles[#articles + 1] = found[2][i] end
    for from = 1, #articles, CHUNK do
        local last = math.min(#articles, from + CHUNK - 1)
        for i, past in ipairs(call('HMGET', PAST, unpack(articles, from, last))) do pasts[from + i - 1] = past end
    end
    for i, article in ipairs(articles) do
        local total, days, weeks, months, years = match(found[2][2 * i], '^(%d+)|([^|]*)|([^|]*)|([^|]*)|([^|]*)$')
        if not total then return nil, {3, ARTICLES, article} end
        local earlier = {match(pasts[i] or '|||', '^([^|]*)|([^|]*)|([^|]*)|([^|]*)$')}
        if #earlier == 0 then return nil, {3, PAST, article} end
        local name = tonumber(total) > 0 and name_of(5)
        local failure = name and take(name, article, tonumber(total))
        for kind, periods in ipairs({days, weeks, months, years}) do
            failure = failure or merge(article, kind, periods, ARTICLES, name_of) or merge(article, kind, earlier[kind], PAST, name_of)
        end
        if failure then return nil, failure end
    end
    write_lists()
    return found[1]
end

-- Builds all lists of a section.
local function build()
    local state = call('HGET', SECTIONS, section)
    if not state or state == 'whole' then return end
    local names = {{}, {}, {}, {}}
    local cursor, failure = merge_some(state, ARGV[7], function(kind, number)
        if kind == 5 then return 'total:' .. section end
        if tonumber(number) < tonumber(ARGV[2 + kind]) then return nil end
        local name = names[kind][number] or bucket(kind, tonumber(number)) .. ':' .. section
        names[kind][number] = name
        return name
    end)
    if failure then return failure end
    call('HSET', SECTIONS, section, cursor == '0' and 'whole' or cursor .. ' ' .. run())
end

-- Fills lists that lack articles.
local function fill()
    local state, wanted, names = ARGV[2], {{}, {}, {}, {}, {}}, {}
    for i = 4, #ARGV, 3 do
        if call('HGET', LISTS, ARGV[i]) == state then
            names[#names + 1] = ARGV[i]
            wanted[tonumber(ARGV[i + 1])][ARGV[i + 2]] = ARGV[i]
        end
    end
    local cursor, failure = merge_some(state, ARGV[3], function(kind, number) return wanted[kind][number or ''] end)
    if failure then return failure end
    for _, name in ipairs(names) do call('HSET', LISTS, name, cursor == '0' and '' or cursor .. ' ' .. run()) end
end

if what == 'pass' then
    local latest, ahead = observe(site, tonumber(ARGV[2]))
    write_time(site, latest, ahead)
    return {1}
elseif what == 'register' then
    if call('HEXISTS', SECTIONS, section) == 0 then
        call('HSET', SECTIONS, section, call('HLEN', ARTICLES) == 0 and 'whole' or '0 ')
    end
elseif what == 'unregister' then
    call('HDEL', SECTIONS, section)
elseif what == 'build' or what == 'fill' then
    local act = what == 'build' and build or fill
    failure = act()
    if failure then return failure end
else
    for i = 2, #ARGV do
        local of_section = match(ARGV[i], '^[^:]+:(.*)$')
        if what == 'delete' or not of_section or call('HEXISTS', SECTIONS, of_section) == 0 then
            call('UNLINK', KEYS[8] .. ARGV[i])
            call('HDEL', LISTS, ARGV[i])
        end
    end
end
-- What others remember of the lists is not valid any more.
call('HSET', SITE, 'version', VERSION, 'revision', next_revision(site[2] or '0:0000000000000000', what))
return {1}
