-- NARU.CHANNEL.HISTORY channel META ms [SINCE offset] [LIMIT n] [BYTES n] [REVERSE]
local since, limit, bytes, reverse
local i = 4
while argument(i) do
  if argument(i) == 'SINCE' then
    since, i = tonumber(argument(i + 1)), i + 2
  elseif argument(i) == 'LIMIT' then
    limit, i = tonumber(argument(i + 1)), i + 2
  elseif argument(i) == 'BYTES' then
    bytes, i = tonumber(argument(i + 1)), i + 2
  else
    reverse, i = true, i + 1
  end
end

local top, epoch = used(tonumber(argument(3)), ARGV[2], true)
local count = limit == 0 and 0 or redis.call('LLEN', KEPT)
-- The first of those that are kept, and those that are read: from and to, both included.
local first = top - count + 1
local from, to = first, top
if since and reverse then
  to = math.min(to, since - 1)
elseif since then
  from = math.max(from, since + 1)
end
if limit and reverse then
  from = math.max(from, to - limit + 1)
elseif limit then
  to = math.min(to, from + limit - 1)
end

-- A few are looked at at once: all may be many bytes, of which few are wanted.
local AT_ONCE = 8
local publications, size = {}, 0
while from <= to do
  local low, high = from, to
  if bytes and reverse then
    low = math.max(low, high - AT_ONCE + 1)
  elseif bytes then
    high = math.min(high, low + AT_ONCE - 1)
  end
  local kept = redis.call('LRANGE', KEPT, int(low - first), int(high - first))
  for i = 1, #kept do
    local at = reverse and #kept - i or i - 1
    size = size + #kept[at + 1]
    if bytes and size > bytes and #publications > 0 then
      return { top, epoch, publications }
    end
    publications[#publications + 1] = { low + at, kept[at + 1] }
  end
  if reverse then
    to = low - 1
  else
    from = high + 1
  end
end
return { top, epoch, publications }
