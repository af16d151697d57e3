-- Applies changes of the catalogue, in the order given.
--
-- KEYS     the hash item id -> stored item, the sorted set of ids by the version that last changed them, the version
-- ARGV     for each change four values: item id, partition, offset, the item as JSON or "" when it is withdrawn
-- Returns  changes applied, the catalogue's version now
--
-- A stored item is " <partition>:<offset>" for every partition it was ever changed from, a line end, and its JSON or
-- nothing. Versions and offsets are written as %d or kept as text: Lua would write a large number as 1e+15.
local version = tonumber(redis.call('GET', KEYS[3]) or '0')
local applied = 0
for i = 1, #ARGV, 4 do
  local id, partition, offset, doc = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local places = string.match(redis.call('HGET', KEYS[1], id) or '', '^[^\n]*')
  local from, to = string.find(places, ' ' .. partition .. ':%d+')
  local last = from and tonumber(string.sub(places, from + #partition + 2, to)) or -1
  if tonumber(offset) > last then
    if from then
      places = string.sub(places, 1, from - 1) .. string.sub(places, to + 1)
    end
    applied = applied + 1
    redis.call('HSET', KEYS[1], id, places .. ' ' .. partition .. ':' .. offset .. '\n' .. doc)
    redis.call('ZADD', KEYS[2], string.format('%d', version + applied), id)
  end
end
if applied > 0 then
  redis.call('SET', KEYS[3], string.format('%d', version + applied))
end
return { applied, version + applied }
