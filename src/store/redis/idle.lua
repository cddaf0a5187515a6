-- Records that a producer is in use, and moves the offsets of idle producers out of the hash that every read of figures
-- fetches.
--
-- KEYS  1 the offsets (hash); 2 the offsets of idle producers (hash); 3 when producers were last seen (a sorted set)
-- ARGV  1 the producer; 2 now; 3 a producer that was last seen before this time is idle (both Unix time in seconds)
--
-- Can be repeated, and interrupted between any two commands: if an offset is in both hashes, the first one is valid.

local call = redis.call
-- Each call moves a bounded number, so that Redis is not busy for long.
local MOST = 1000

for _, producer in ipairs(call('HKEYS', KEYS[1])) do
    call('ZADD', KEYS[3], 'NX', ARGV[2], producer)
end
call('ZADD', KEYS[3], ARGV[2], ARGV[1])
for _, producer in ipairs(call('ZRANGEBYSCORE', KEYS[3], '-inf', '(' .. ARGV[3], 'LIMIT', 0, MOST)) do
    local offset = call('HGET', KEYS[1], producer)
    if offset then
        call('HSET', KEYS[2], producer, offset)
        call('HDEL', KEYS[1], producer)
    end
    call('ZREM', KEYS[3], producer)
end
return 1
