-- NARU.ROUTE server epoch user …, users of one partition
local run, moment, i = argument(1) .. '\0' .. argument(2), now(), 3
while argument(i) do
  local routes = P .. ':rt:' .. argument(i)
  redis.call('ZADD', routes, moment, run)
  -- Runs that ended without a word would else stay for ever.
  redis.call('ZREMRANGEBYRANK', routes, 0, -ROUTES - 1)
  i = i + 1
end
return redis.status_reply('OK')
