-- The most-read articles of a bucket.
--
-- KEYS  1 the views of articles (sorted set)
-- ARGV  1 the limit, at least 1
--
-- Returns article, views, article, views …: at least the requested ones, in no particular order. Redis sorts articles with
-- equal views in descending order of their ids, truycap in ascending order. So if the limit falls among articles with equal
-- views, those with the lowest ids are fetched by their score.

local key, limit = KEYS[1], tonumber(ARGV[1])
local last = redis.call('ZREVRANGE', key, limit - 1, limit - 1, 'WITHSCORES')
if not last[2] then return redis.call('ZREVRANGE', key, 0, -1, 'WITHSCORES') end

local found = redis.call('ZREVRANGEBYSCORE', key, '+inf', '(' .. last[2], 'WITHSCORES')
local rest = limit - #found / 2
for _, text in ipairs(redis.call('ZRANGEBYSCORE', key, last[2], last[2], 'WITHSCORES', 'LIMIT', 0, rest)) do
    found[#found + 1] = text
end
return found
