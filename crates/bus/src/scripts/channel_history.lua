-- NARU.CHANNEL.HISTORY channel META ms [SINCE offset] [LIMIT n] [REVERSE]
local since, limit, reverse
local i = 4
while argument(i) do
  if argument(i) == 'SINCE' then
    since, i = tonumber(argument(i + 1)), i + 2
  elseif argument(i) == 'LIMIT' then
    limit, i = tonumber(argument(i + 1)), i + 2
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

local publications = {}
if from <= to then
  local kept = redis.call('LRANGE', KEPT, int(from - first), int(to - first))
  for i = 1, #kept do
    local at = reverse and #kept - i or i - 1
    publications[i] = { from + at, kept[at + 1] }
  end
end
return { top, epoch, publications }
