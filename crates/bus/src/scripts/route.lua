-- NARU.ROUTE server epoch user …, users of one partition
local run, moment = argument(1) .. '\0' .. argument(2), now()

-- Runs that ended without a word would else stay for ever: those go that their server's next one has followed, then the oldest.
local function bound(routes)
  local runs, followed = redis.call('ZRANGE', routes, 0, -1), {}
  if #runs <= ROUTES then
    return
  end
  for i = #runs, 1, -1 do
    local server = string.match(runs[i], '^[^%z]+')
    if followed[server] then
      redis.call('ZREM', routes, runs[i])
    end
    followed[server] = true
  end
  redis.call('ZREMRANGEBYRANK', routes, 0, -ROUTES - 1)
end

local i = 3
while argument(i) do
  local routes = P .. ':rt:' .. argument(i)
  redis.call('ZADD', routes, moment, run)
  bound(routes)
  i = i + 1
end
return redis.status_reply('OK')
