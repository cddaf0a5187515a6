-- Adds views to the counters of a site and moves a producer's offset: both, or neither.
--
-- KEYS as in common.lua
-- ARGV  1 the producer; 2 the offset that must be stored; 3 the new offset
--       4 a producer whose entries must be included, or ''; 5 up to which number
--       6 now (Unix time in seconds); 7 to 10 the oldest day, week, month and year that are kept
--       11 the number of the site's own counts; then for each: its field (bucket, or kind:bucket), how many more
--       then the number of sets of buckets, and the sets: see read_sets
--       then for each article: article, increments: views (in the first set), or set:views,set:views …
--
-- Returns {1, revision before, revision after, 1 if a counter has reached its maximum, 1 if the clock has jumped} if it was
-- applied. Otherwise nothing was changed: {0, offset} if another offset is stored, {3, key, article} if a key holds a value
-- that truycap did not write, {4, version} if the site has another version, {5, key} if a key is missing.

local failure = check_rights({
    {'HSET', SITE, '', '', ''}, {'HSET', OFFSETS, '', '', ''}, {'HSET', VIEWS, '', '', ''}, {'HSET', ARTICLES, '', '', ''},
    {'HSET', PAST, '', '', ''}, {'HSET', LISTS, '', '', ''}, {'HDEL', SITE, ''}, {'HDEL', PAST, ''}, {'ZADD', KEYS[8], '', ''},
    {'ZREMRANGEBYRANK', KEYS[8], '', ''},
})
if failure then return failure end

local site
site, failure = read_site()
if failure then return failure end
local stored = pcall('HMGET', OFFSETS, ARGV[1], ARGV[4])
failure = failed(stored, OFFSETS)
if failure then return failure end
local offset = stored[1] or START
-- Each apply of views writes an offset. Without it, what the counters include would be counted again.
if not stored[1] and call('EXISTS', OFFSETS) == 0 and call('EXISTS', VIEWS, ARTICLES) > 0 then return {5, OFFSETS} end
if offset ~= ARGV[2] then return {0, offset} end
if ARGV[4] ~= '' then
    local seq = match(stored[2] or START, '^(%d+):')
    if not seq then return {3, OFFSETS, ''} end
    if tonumber(seq) < tonumber(ARGV[5]) then return {0, offset} end
end

-- The time that is trusted from now on. Nothing is dropped for a time that may be wrong.
local latest, ahead, trusted, jumped = observe(site, tonumber(ARGV[6]))

-- The site's own counts.
local at = 12
local fields, site_writes = {}, {}
for i = 1, tonumber(ARGV[11]) do
    fields[i] = ARGV[at + 2 * i - 2]
end
for from = 1, #fields, CHUNK do
    local last = math.min(#fields, from + CHUNK - 1)
    local counts = pcall('HMGET', VIEWS, unpack(fields, from, last))
    failure = failed(counts, VIEWS)
    if failure then return failure end
    for i = from, last do
        local count = counts[i - from + 1] or '0'
        if not (count == '0' or find(count, '^[1-9]%d*$')) or tonumber(count) > MAX then return {3, VIEWS, ''} end
        site_writes[2 * i - 1] = fields[i]
        site_writes[2 * i] = text(sum(tonumber(count), tonumber(ARGV[at + 2 * i - 1])))
    end
end
at = at + 2 * #fields

local sets
sets, at = read_sets(at, 6, trusted)
failure = read_sections()
if failure then return failure end

-- Takes an article's new count into the lists of a bucket; returns what to return if one cannot be read.
local function count(name, article, views) return count_in_lists(enter, name, article, views) end

-- Adds views to the list of two periods in a record: 'number:views,number:views', newest first. Returns the new list and the
-- new count, and the period that does not fit any more; or nothing but 'past' if the views belong into the past.
local function add(list, number, views)
    local first, count, rest = match(list, '^(%-?%d+):(%d+)(.*)$')
    if first == number then
        local total = sum(tonumber(count), views)
        return number .. ':' .. text(total) .. rest, total
    end
    views = sum(0, views)
    local new = number .. ':' .. text(views)
    if list == '' then return new, views end
    local second, second_count = match(rest or 'x', '^,(%-?%d+):(%d+)$')
    if not first or (rest ~= '' and not second) then return nil end
    if tonumber(number) > tonumber(first) then
        return new .. ',' .. first .. ':' .. count, views, rest ~= '' and sub(rest, 2) or nil
    end
    local head = first .. ':' .. count .. ','
    if second == number then
        local total = sum(tonumber(second_count), views)
        return head .. number .. ':' .. text(total), total
    end
    if not second then return head .. new, views end
    if tonumber(number) > tonumber(second) then return head .. new, views, sub(rest, 2) end
    return list, 'past'
end

-- Adds views to a list of earlier periods, newest first, and returns the list and the new count; nothing if it does not parse.
local function add_earlier(list, number, views, oldest)
    local periods, place, total = {}, false, sum(0, views)
    for period in string.gmatch(list, '[^,]+') do
        local known, count = match(period, '^(%-?%d+):(%d+)$')
        if not known then return nil end
        if known == number then
            total = sum(tonumber(count), views)
            periods[#periods + 1] = number .. ':' .. text(total)
            place = true
        else
            if not place and tonumber(known) < tonumber(number) then
                periods[#periods + 1] = number .. ':' .. text(total)
                place = true
            end
            if not oldest or tonumber(known) >= oldest then periods[#periods + 1] = period end
        end
    end
    if not place then periods[#periods + 1] = number .. ':' .. text(total) end
    return table.concat(periods, ','), total
end

local record_writes = {}
-- What belongs into the past of articles: {kind, number, views, name of the list or nil}.
local moved, moved_names = {}, {}
local function move(article, period)
    local list = moved[article]
    if not list then
        list = {}
        moved[article] = list
        moved_names[#moved_names + 1] = article
    end
    list[#list + 1] = period
end

-- Adds one increment to a record's parts: {total, days, weeks, months, years}.
local function increment(article, record, set, views)
    if set.total then
        local total = sum(tonumber(record[1]), views)
        record[1] = text(total)
        local failure = count(set.names[5], article, total)
        if failure then return failure end
    end
    for kind = 1, 4 do
        local number = set.numbers[kind]
        if number then
            local list, total, displaced = add(record[1 + kind], number, views)
            if not list then return {3, ARTICLES, article} end
            record[1 + kind] = list
            if total == 'past' then
                move(article, {kind, number, views, set.names[kind]})
            else
                if displaced then
                    local earlier, count = match(displaced, '^(%-?%d+):(%d+)$')
                    move(article, {kind, earlier, tonumber(count)})
                end
                local failure = count(set.names[kind], article, total)
                if failure then return failure end
            end
        end
    end
end

for from = at, #ARGV, 2 * CHUNK do
    local last = math.min(#ARGV, from + 2 * CHUNK - 1)
    local names = {}
    for i = from, last, 2 do names[#names + 1] = ARGV[i] end
    local records = pcall('HMGET', ARTICLES, unpack(names))
    failure = failed(records, ARTICLES)
    if failure then return failure end
    local writes = {}
    for i, article in ipairs(names) do
        local record = {match(records[i] or '0||||', '^(%d+)|([^|]*)|([^|]*)|([^|]*)|([^|]*)$')}
        if #record == 0 or tonumber(record[1]) > MAX then return {3, ARTICLES, article} end
        local increments = ARGV[from + 2 * i - 1]
        local views = tonumber(increments)
        if views then
            failure = increment(article, record, sets[1], views)
            if failure then return failure end
        else
            for set, views in string.gmatch(increments, '(%d+):(%d+)') do
                failure = increment(article, record, sets[tonumber(set)], tonumber(views))
                if failure then return failure end
            end
        end
        writes[2 * i - 1], writes[2 * i] = article, table.concat(record, '|')
    end
    record_writes[#record_writes + 1] = writes
end

local past_writes, past_deletes = {}, {}
for from = 1, #moved_names, CHUNK do
    local last = math.min(#moved_names, from + CHUNK - 1)
    local pasts = pcall('HMGET', PAST, unpack(moved_names, from, last))
    failure = failed(pasts, PAST)
    if failure then return failure end
    for i = from, last do
        local article = moved_names[i]
        local past = {match(pasts[i - from + 1] or '|||', '^([^|]*)|([^|]*)|([^|]*)|([^|]*)$')}
        if #past == 0 then return {3, PAST, article} end
        for _, period in ipairs(moved[article]) do
            local kind, number, views, name = period[1], period[2], period[3], period[4]
            local oldest = trusted and tonumber(ARGV[6 + kind]) or nil
            if not oldest or tonumber(number) >= oldest then
                local list, total = add_earlier(past[kind], number, views, oldest)
                if not list then return {3, PAST, article} end
                past[kind] = list
                if name then
                    failure = count(name, article, total)
                    if failure then return failure end
                end
            end
        end
        local whole = table.concat(past, '|')
        if whole == '|||' then
            past_deletes[#past_deletes + 1] = article
        else
            past_writes[#past_writes + 1] = article
            past_writes[#past_writes + 1] = whole
        end
    end
end

-- From here on, nothing fails.
local before = site[2] or START
local after = next_revision(before, ARGV[1] .. ARGV[3])
write_some(site_writes, 'HSET', VIEWS)
for _, writes in ipairs(record_writes) do
    if #writes > 0 then call('HSET', ARTICLES, unpack(writes)) end
end
write_some(past_writes, 'HSET', PAST)
write_some(past_deletes, 'HDEL', PAST)
write_lists()
local changed = {'revision', after}
if not site[1] then
    changed[3], changed[4] = 'version', VERSION
end
call('HSET', SITE, unpack(changed))
write_time(site, latest, ahead)
call('HSET', OFFSETS, ARGV[1], ARGV[3])
return {1, before, after, saturated, jumped and 1 or 0}
