-- Appends to the dictionary of items if it still is as long as its writer knows it, and the same.
--
-- KEYS[1]  the dictionary
-- ARGV     the length the writer knows, its last bytes, what to append
-- Returns  1 when it was appended, 0 when the writer has to look again
local size = tonumber(ARGV[1])
if redis.call('STRLEN', KEYS[1]) ~= size then return 0 end
if size > 0 and redis.call('GETRANGE', KEYS[1], size - #ARGV[2], size - 1) ~= ARGV[2] then return 0 end
redis.call('APPEND', KEYS[1], ARGV[3])
return 1
