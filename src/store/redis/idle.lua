-- Notes that a producer is in use, and moves the offsets of those that were not for long out of what each question reads.
--
-- KEYS  1 the offsets (hash); 2 the offsets of idle producers (hash); 3 when producers were last seen (a sorted set)
-- ARGV  1 the producer; 2 now; 3 the time before which a producer that was not seen since is idle (Unix time in seconds)
--
-- Can be repeated, and broken off between any two commands: an offset that stands in both hashes is the one of the first.

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
