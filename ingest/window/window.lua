-- Applies the records of one partition to the window of one user.
--
-- KEYS[1]  the user's hash: w = the window, n = changes applied ever, c = "<entries>:<newest unix ms>",
--          o:<partition> = last applied offset
-- ARGV     name of the offset field, entries to keep, lateness in ms, then for each record five values: offset,
--          "a" (append) or "f" (forget), unix ms, event id or "", the encoded entry
-- Returns  applied, duplicates, late, skipped, forgotten
--
-- In the common case (in order, full window) a record costs one plain search and one concatenation; c saves counting
-- lines and looking for the newest one. Offsets are compared as numbers and stored as the text they came in, since a
-- number of Lua turns into 1e+15 when it is written.
local keep, lateness = tonumber(ARGV[2]), tonumber(ARGV[3])
local have = redis.call('HMGET', KEYS[1], 'w', 'n', 'c', ARGV[1])
local blob, version, last = have[1] or '', tonumber(have[2] or '0'), tonumber(have[4] or '-1')

local count, newest = string.match(have[3] or '', '^(%d+):(%d+)$')
if count then
  count, newest = tonumber(count), tonumber(newest)
else
  count, newest = 0, 0
  for ms in string.gmatch(blob, '(%d+)\t[^\n]*\n') do
    count, newest = count + 1, tonumber(ms)
  end
end

local start = 1 -- where the window begins in blob: trimming moves it, cutting is left to the end
local reached = false
local applied, duplicates, late, skipped, forgotten = 0, 0, 0, 0, 0

for i = 4, #ARGV, 5 do
  local offset, ms, id, entry = tonumber(ARGV[i]), tonumber(ARGV[i + 2]), ARGV[i + 3], ARGV[i + 4]
  if offset <= last then
    skipped = skipped + 1
  else
    last, reached = offset, ARGV[i]
    if ARGV[i + 1] == 'f' then
      blob, start, count, newest = '', 1, 0, 0
      forgotten = forgotten + 1
    elseif id ~= '' and string.find(blob, '\t#' .. id .. '\n', start, true) then
      duplicates = duplicates + 1
    elseif count > 0 and ms < newest - lateness then
      late = late + 1
    else
      if count == 0 or ms >= newest then
        blob, newest = blob .. entry, ms
      else
        local at = start -- the first line that is newer; there is one, or we were in order
        while tonumber(string.match(blob, '^%d+', at)) <= ms do
          at = string.find(blob, '\n', at, true) + 1
        end
        blob, start = string.sub(blob, start, at - 1) .. entry .. string.sub(blob, at), 1
      end
      count, applied = count + 1, applied + 1
      while count > keep do
        start, count = string.find(blob, '\n', start, true) + 1, count - 1
      end
      if start > #blob / 2 then -- a long batch of one user must not drag its whole past along
        blob, start = string.sub(blob, start), 1
      end
    end
  end
end

if applied + forgotten > 0 then
  redis.call('HSET', KEYS[1], 'w', string.sub(blob, start), 'n', string.format('%d', version + applied + forgotten),
    'c', string.format('%d:%d', count, newest), ARGV[1], reached)
elseif reached then
  redis.call('HSET', KEYS[1], ARGV[1], reached)
end
return { applied, duplicates, late, skipped, forgotten }
