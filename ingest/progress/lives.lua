-- Replaces the lives of one partition if they still are what the caller knows.
--
-- KEYS[1]  the lives of a topic, by partition
-- ARGV     partition, what the caller knows ('' = none), the new value
-- Returns  1 when the value was replaced, 0 when somebody else had changed it
local have = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if have ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
