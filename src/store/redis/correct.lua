-- Makes one step of a correction: changes counters, moves a producer's offset and writes the audit list: all of it, or nothing.
--
-- KEYS  1 to 8 as in common.lua; 9 the audit list (hash); 10 the changes of its steps (hash)
-- ARGV  1 the producer; 2 the offset that must be stored; 3 the new offset
--       4 now (Unix time in seconds); 5 to 8 the oldest day, week, month and year that are kept
--       9 the number of the correction that this one takes back, or ''; 10 the note; 11 the changes as they are kept
--       12 and 13 by how much they change the total of the site: billions and the rest; 14 and 15 those of articles
--       16 how many corrections keep their changes
--       17 the number of sets of buckets, and the sets: see read_sets
--       then for each change: the article, or ''; what precedes the bucket in the name of a site's counter; the number of its
--       set; views, below 0 to take some away
--
-- Returns {1, revision before, revision after, 1 if a counter has reached its maximum, 1 if the clock has jumped, number of the
-- correction} if it was made. Otherwise nothing was changed: {0, offset} if another offset is stored, {2, number of a change, kind
-- of its bucket (1 to 5), views} if a counter has fewer views than the change takes away, {6, number} if that correction took back
-- this one or its target; {3, key, article}, {4, version} or {5, key}, as apply.lua does.

local AUDIT, CHANGES = KEYS[9], KEYS[10]
-- The most old changes that one step deletes.
local OLD = 1000
local BILLION = 1000000000

local failure = check_rights({
    {'HSET', SITE, '', '', ''}, {'HSET', OFFSETS, '', '', ''}, {'HSET', VIEWS, '', '', ''}, {'HSET', ARTICLES, '', '', ''},
    {'HSET', PAST, '', '', ''}, {'HSET', LISTS, '', '', ''}, {'HSET', KEYS[9], '', '', ''}, {'HSET', KEYS[10], '', '', ''},
    {'HDEL', SITE, ''}, {'HDEL', VIEWS, ''}, {'HDEL', ARTICLES, ''}, {'HDEL', PAST, ''}, {'HDEL', KEYS[10], ''}, {'ZADD', KEYS[8], '', ''},
    {'ZREM', KEYS[8], ''}, {'ZREMRANGEBYRANK', KEYS[8], '', ''},
})
if failure then return failure end

local site
site, failure = read_site()
if failure then return failure end
local offset = pcall('HGET', OFFSETS, ARGV[1])
failure = failed(offset, OFFSETS)
if failure then return failure end
if not offset and call('EXISTS', OFFSETS) == 0 and call('EXISTS', VIEWS, ARTICLES) > 0 then return {5, OFFSETS} end
if (offset or START) ~= ARGV[2] then return {0, offset or START} end

-- The audit list. Its entries are 'producer steps', the two sums in two parts each, and the number of the correction that takes it
-- back, or 0.
local heads = pcall('HMGET', AUDIT, 'last', 'kept', ARGV[1])
failure = failed(heads, AUDIT) or failed(pcall('HEXISTS', CHANGES, ''), CHANGES)
if failure then return failure end
if not heads[1] and call('EXISTS', CHANGES) == 1 then return {5, AUDIT} end
local plain = find(heads[1] or '0', '^%d+$') and find(heads[3] or '0', '^%d+$') and (heads[1] or call('EXISTS', AUDIT) == 0)
-- The first step whose changes are still kept.
local old_number, old_step = match(heads[2] or '1:1', '^(%d+):(%d+)$')
if not plain or not old_number then return {3, AUDIT, ''} end
local last = tonumber(heads[1] or '0')
local number = tonumber(heads[3] or last + 1)
local entries = {}

-- An entry; or what to return.
local function read_entry(of)
    if entries[of] then return entries[of] end
    local producer, steps, s, t, a, b, by = match(call('HGET', AUDIT, of) or '', '^(%x+) (%d+) (%-?%d+) (%d+) (%-?%d+) (%d+) (%d+)$')
    if not producer then return nil, {3, AUDIT, ''} end
    entries[of] = {producer, tonumber(steps), tonumber(s), tonumber(t), tonumber(a), tonumber(b), tonumber(by)}
    return entries[of]
end

local own = {ARGV[1], 0, 0, 0, 0, 0, 0}
if heads[3] then
    own, failure = read_entry(number)
    if failure then return failure end
    if own[1] ~= ARGV[1] then return {3, AUDIT, ''} end
    if own[7] > 0 then return {6, own[7]} end
end
-- A correction takes back earlier ones only.
local target
if ARGV[9] ~= '' and tonumber(ARGV[9]) < number and tonumber(ARGV[9]) > 0 then
    target, failure = read_entry(tonumber(ARGV[9]))
    if failure then return failure end
    if target[7] > 0 and target[7] ~= number then return {6, target[7]} end
end

-- Adds to a sum in two parts. Lua's numbers hold the whole of it exactly only up to 2^53.
local function add_sum(entry, at, billions, rest)
    entry[at], entry[at + 1] = entry[at] + billions, entry[at + 1] + rest
    if entry[at + 1] >= BILLION then entry[at], entry[at + 1] = entry[at] + 1, entry[at + 1] - BILLION end
end

own[2] = own[2] + 1
add_sum(own, 3, tonumber(ARGV[12]), tonumber(ARGV[13]))
add_sum(own, 5, tonumber(ARGV[14]), tonumber(ARGV[15]))
if target then target[7] = number end
local latest_number = math.max(last, number)
local audit_writes = {text(number), table.concat(own, ' ')}
local function write_audit(field, value)
    audit_writes[#audit_writes + 1] = field
    audit_writes[#audit_writes + 1] = value
end
if target then write_audit(ARGV[9], table.concat(target, ' ')) end
if not heads[3] then
    write_audit('last', number)
    write_audit(number .. ':note', ARGV[10])
    write_audit(ARGV[1], number)
end

-- The changes of an old correction.
local keeps = tonumber(ARGV[16])
local old_changes = {}
if tonumber(old_number) + keeps <= latest_number then
    local old
    old, failure = read_entry(tonumber(old_number))
    if failure then return failure end
    local first = tonumber(old_step)
    for step = first, math.min(old[2], first + OLD - 1) do old_changes[#old_changes + 1] = old_number .. ':' .. step end
    write_audit('kept', first + OLD > old[2] and tonumber(old_number) + 1 .. ':1' or old_number .. ':' .. first + OLD)
end

-- The time that is trusted from now on. Nothing is left out for a time that may be wrong.
local latest, ahead, trusted, jumped = observe(site, tonumber(ARGV[4]))
local sets, at = read_sets(17, 4, trusted)
failure = read_sections()
if failure then return failure end

-- What is changed: the names of the site's counters, and articles.
local counters, counter_names = {}, {}
local articles, article_names = {}, {}
for i = at, #ARGV, 4 do
    local article = ARGV[i]
    if article == '' then
        for kind = 1, 5 do
            local bucket = sets[tonumber(ARGV[i + 2])].names[kind]
            local name = ARGV[i + 1] .. bucket
            if bucket ~= '' and not counters[name] then
                counters[name] = 0
                counter_names[#counter_names + 1] = name
            end
        end
    elseif not articles[article] then
        articles[article] = {}
        article_names[#article_names + 1] = article
    end
end

-- Reads fields of a hash and passes them on; returns what to return if that fails.
local function read_fields(key, names, take)
    for from = 1, #names, CHUNK do
        local to = math.min(#names, from + CHUNK - 1)
        local values = pcall('HMGET', key, unpack(names, from, to))
        local failure = failed(values, key)
        if failure then return failure end
        for i = from, to do
            failure = take(names[i], values[i - from + 1])
            if failure then return failure end
        end
    end
end

failure = read_fields(VIEWS, counter_names, function(name, count)
    count = count or '0'
    if not (count == '0' or find(count, '^[1-9]%d*$')) or tonumber(count) > MAX then return {3, VIEWS, ''} end
    counters[name] = tonumber(count)
end) or read_fields(ARTICLES, article_names, function(name, record)
    local parts = {match(record or '0||||', '^(%d+)|([^|]*)|([^|]*)|([^|]*)|([^|]*)$')}
    if #parts == 0 or tonumber(parts[1]) > MAX then return {3, ARTICLES, name} end
    -- parts: of the record; kinds: the periods that were looked at; before, after: counts by the name of the bucket
    articles[name] = {parts = parts, total = tonumber(parts[1]), exists = record, kinds = {}, buckets = {}, before = {}, after = {}}
end) or read_fields(PAST, article_names, function(name, past)
    local parts = {match(past or '|||', '^([^|]*)|([^|]*)|([^|]*)|([^|]*)$')}
    if #parts == 0 then return {3, PAST, name} end
    articles[name].past, articles[name].has_past = parts, past
end)
if failure then return failure end

-- Appends the periods of a text 'number:views,number:views …', newest first; returns whether it parses.
local function append(periods, list)
    local numbers, counts = periods.numbers, periods.counts
    for period in string.gmatch(list, '[^,]+') do
        local number, count = match(period, '^(%-?%d+):(%d+)$')
        number, count = tonumber(number or ''), tonumber(count or '')
        if not number or count > MAX or (#numbers > 0 and number >= numbers[#numbers]) then return false end
        numbers[#numbers + 1], counts[#counts + 1] = number, count
    end
    return true
end

-- The periods of an article of one kind: the two latest, or all; or what to return.
local function open_periods(name, kind, all)
    local article = articles[name]
    local periods = article.kinds[kind]
    if not periods then
        periods = {numbers = {}, counts = {}, all = false}
        if not append(periods, article.parts[1 + kind]) or #periods.numbers > 2 then return nil, {3, ARTICLES, name} end
        article.kinds[kind] = periods
    end
    if all and not periods.all then
        if not append(periods, article.past[kind]) then return nil, {3, PAST, name} end
        periods.all = true
    end
    return periods
end

-- The place of a period among others, newest first, and whether it is there.
local function place_of(numbers, number)
    for place, known in ipairs(numbers) do
        if known <= number then return place, known == number end
    end
    return #numbers + 1, false
end

-- Changes a period. Returns its count before and after, which is below 0 if it cannot be changed; or nil and what to return.
local function change_period(name, kind, number, views)
    local periods, failure = open_periods(name, kind, false)
    if failure then return nil, failure end
    local place, known = place_of(periods.numbers, number)
    if place > 2 then
        periods, failure = open_periods(name, kind, true)
        if failure then return nil, failure end
        place, known = place_of(periods.numbers, number)
    end
    local has = known and periods.counts[place] or 0
    local new = sum(has, views)
    if new < 0 or (new == 0 and not known) then return has, new end
    if known and new > 0 then
        periods.counts[place] = new
        return has, new
    end
    -- A period moves out of the record, or into it.
    periods, failure = open_periods(name, kind, true)
    if failure then return nil, failure end
    if known then
        table.remove(periods.numbers, place)
        table.remove(periods.counts, place)
    else
        table.insert(periods.numbers, place, number)
        table.insert(periods.counts, place, new)
    end
    return has, new
end

-- Changes a bucket of an article. Returns its count before and after; nil if it has expired; or nil and what to return.
local function change_article(name, set, kind, views)
    local article = articles[name]
    local has, new
    if kind == 5 then
        if not set.total then return nil end
        has = article.total
        new = sum(has, views)
        if new >= 0 then article.total = new end
    else
        local number = set.numbers[kind]
        if not number then return nil end
        has, new = change_period(name, kind, tonumber(number), views)
        if not has then return nil, new end
    end
    local bucket = set.names[kind]
    if not article.before[bucket] then
        article.before[bucket] = has
        article.buckets[#article.buckets + 1] = bucket
    end
    article.after[bucket] = new
    return has, new
end

-- Changes a counter of the site; returns as above.
local function change_counter(prefix, set, kind, views)
    if set.names[kind] == '' then return nil end
    local name = prefix .. set.names[kind]
    local has = counters[name]
    local new = sum(has, views)
    if new >= 0 then counters[name] = new end
    return has, new
end

for i = at, #ARGV, 4 do
    local set, views = sets[tonumber(ARGV[i + 2])], tonumber(ARGV[i + 3])
    for kind = 1, 5 do
        local has, new
        if ARGV[i] == '' then
            has, new = change_counter(ARGV[i + 1], set, kind, views)
        else
            has, new = change_article(ARGV[i], set, kind, views)
        end
        if not has and new then return new end
        if has and new < 0 then return {2, (i - at) / 4 + 1, kind, text(has)} end
    end
end

-- The records, their pasts and the lists.
local function join(periods, from, to)
    local parts = {}
    for i = from, math.min(to, #periods.numbers) do parts[#parts + 1] = periods.numbers[i] .. ':' .. text(periods.counts[i]) end
    return table.concat(parts, ',')
end

-- Whether an article has nothing but periods that have expired.
local function is_empty(article)
    if article.total > 0 then return false end
    for kind = 1, 4 do
        local newest = match(article.parts[1 + kind], '^(%-?%d+):')
        if newest and not (trusted and tonumber(newest) < tonumber(ARGV[4 + kind])) then return false end
    end
    return true
end

local record_writes, record_deletes, past_writes, past_deletes = {}, {}, {}, {}
for _, name in ipairs(article_names) do
    local article = articles[name]
    article.parts[1] = text(article.total)
    for kind, periods in pairs(article.kinds) do
        article.parts[1 + kind] = join(periods, 1, 2)
        if periods.all then article.past[kind] = join(periods, 3, #periods.numbers) end
    end
    local past = table.concat(article.past, '|')
    if is_empty(article) then
        if article.exists then record_deletes[#record_deletes + 1] = name end
        past = '|||'
    else
        record_writes[#record_writes + 1] = name
        record_writes[#record_writes + 1] = table.concat(article.parts, '|')
    end
    if past == '|||' then
        if article.has_past then past_deletes[#past_deletes + 1] = name end
    elseif past ~= article.has_past then
        past_writes[#past_writes + 1] = name
        past_writes[#past_writes + 1] = past
    end
    for _, bucket in ipairs(article.buckets) do
        local before, after = article.before[bucket], article.after[bucket]
        if before ~= after then
            failure = count_in_lists(after > before and enter or lower, bucket, name, after)
            if failure then return failure end
        end
    end
end
local counter_writes, counter_deletes = {}, {}
for _, name in ipairs(counter_names) do
    if counters[name] == 0 then
        counter_deletes[#counter_deletes + 1] = name
    else
        counter_writes[#counter_writes + 1] = name
        counter_writes[#counter_writes + 1] = text(counters[name])
    end
end

-- From here on, nothing fails. If Redis has no memory, it refuses the first write.
local before = site[2] or START
local after = next_revision(before, ARGV[1] .. ARGV[3])
call('HSET', SITE, 'version', VERSION, 'revision', after)
write_time(site, latest, ahead)
call('HSET', OFFSETS, ARGV[1], ARGV[3])
write_some(audit_writes, 'HSET', AUDIT)
if number + keeps > latest_number then call('HSET', CHANGES, text(number) .. ':' .. text(own[2]), ARGV[11]) end
write_some(old_changes, 'HDEL', CHANGES)
write_some(counter_writes, 'HSET', VIEWS)
write_some(counter_deletes, 'HDEL', VIEWS)
write_some(record_writes, 'HSET', ARTICLES)
write_some(record_deletes, 'HDEL', ARTICLES)
write_some(past_writes, 'HSET', PAST)
write_some(past_deletes, 'HDEL', PAST)
write_lists()
return {1, before, after, saturated, jumped and 1 or 0, number}
