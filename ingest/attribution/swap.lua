-- Replaces the totals of one bucket and some of its answers, if the totals still are those their writer started from.
--
-- KEYS[1]   the bucket's totals; KEYS[2..] its other keys, all in the same slot
-- ARGV      how the totals must begin now ('' = they must not exist), the new totals, then for each write five values:
--           'h' (field of a hash), 'f' (delete a field of a hash), 's' (string) or 'd' (delete); number of its key; field ('' where there is none); value; how long the
--           key stays in ms
-- Returns   1 when everything was written, 0 when somebody else had changed the totals: then nothing was
if ARGV[1] == '' then
  if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
elseif redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2])
local touched = {}
for i = 3, #ARGV, 5 do
  local key = KEYS[tonumber(ARGV[i + 1])]
  if ARGV[i] == 'h' then
    redis.call('HSET', key, ARGV[i + 2], ARGV[i + 3])
    if not touched[key] then
      redis.call('PEXPIRE', key, ARGV[i + 4])
      touched[key] = true
    end
  elseif ARGV[i] == 'f' then
    redis.call('HDEL', key, ARGV[i + 2])
  elseif ARGV[i] == 's' then
    redis.call('SET', key, ARGV[i + 3], 'PX', ARGV[i + 4])
  else
    redis.call('DEL', key)
  end
end
return 1
