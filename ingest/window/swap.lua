-- Replaces the window of one user if it still is the one its writer started from.
--
-- KEYS[1]  the user's window
-- ARGV     how the value must begin now ('' = it must not exist), the new value, how long it may stay idle in ms (0 = for ever)
-- Returns  1 when the value was replaced, 0 when somebody else had changed it
--
-- Every change of a window changes its beginning, which holds the applied offsets: comparing that is comparing everything.
if ARGV[1] == '' then
  if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
elseif redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) ~= ARGV[1] then
  return 0
end
if ARGV[3] == '0' then
  redis.call('SET', KEYS[1], ARGV[2])
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 1
