-- Moves a restored site from the names at which it was written into its place, or does nothing.
--
-- KEYS 1 to 10 as in correct.lua; 11 to 20 the same at the other names
-- ARGV  1 '1' to replace a site that exists, otherwise ''
--       2 to 10 how many fields each of the hashes 11 to 17, 19 and 20 must have
--       11 … the names of the lists
--
-- Returns {1} if it was moved; {2} if the site exists; {4, version} if it has another version; {5} if Redis has deleted a part of
-- what was written.

local empty = KEYS[18]
-- The numbers of the keys that are hashes.
local HASHES = {1, 2, 3, 4, 5, 6, 7, 9, 10}
local failure = check_rights({
    {'UNLINK', KEYS[8]}, {'UNLINK', empty}, {'RENAME', empty, KEYS[8]}, {'PERSIST', KEYS[8]},
})
if failure then return failure end
local site = pcall('HGET', SITE, 'version')
failure = failed(site, SITE) or failed(pcall('HEXISTS', LISTS, ''), LISTS)
if failure then return failure end
if call('EXISTS', SITE, OFFSETS, VIEWS, ARTICLES, PAST) > 0 then
    if ARGV[1] == '' then return {2} end
    -- A site whose state was deleted is replaced; one of version 1 has no state and no records.
    if not site and call('EXISTS', ARTICLES) == 0 and call('EXISTS', VIEWS) == 1 then site = '1' end
    if site and site ~= VERSION then return {4, site} end
end
for i, key in ipairs(HASHES) do
    if call('HLEN', KEYS[10 + key]) ~= tonumber(ARGV[1 + i]) then return {5} end
end
for i = 11, #ARGV do
    if call('EXISTS', KEYS[18] .. ARGV[i]) == 0 then return {5} end
end

-- From here on, nothing fails.
for _, name in ipairs(call('HKEYS', LISTS)) do call('UNLINK', KEYS[8] .. name) end
local function move(from, to)
    call('UNLINK', to)
    if call('EXISTS', from) == 1 then
        call('RENAME', from, to)
        call('PERSIST', to)
    end
end
for _, key in ipairs(HASHES) do move(KEYS[10 + key], KEYS[key]) end
for i = 11, #ARGV do move(KEYS[18] .. ARGV[i], KEYS[8] .. ARGV[i]) end
return {1}
