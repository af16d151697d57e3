-- Makes a receipt the newest one of its user or item, unless the one that is was requested later.
--
-- KEYS[1]  the string with the id of the newest
-- KEYS[2]  the receipt that it names, as the caller has read it
-- KEYS[3]  the receipt that may take its place
-- ARGV     the id that the caller has read ('' = none), the id that may take its place, how long it stays in ms
-- Returns  1 when it is done, 0 when another one is the newest by now
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end

-- Times are RFC 3339 in UTC, without the zeros at the end of a fraction.
local function order(time)
  local whole, fraction = string.match(time or '', '^([^.Z]*)%.?(%d*)Z$')
  return whole and whole .. '.' .. fraction .. string.rep('0', 9 - #fraction) or ''
end
if ARGV[1] ~= '' and order(redis.call('HGET', KEYS[2], 'requested')) > order(redis.call('HGET', KEYS[3], 'requested')) then return 1 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
