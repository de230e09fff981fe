-- NARU.UNROUTE server epoch user …, users of one partition
local run, i = argument(1) .. '\0' .. argument(2), 3
while argument(i) do
  redis.call('ZREM', P .. ':rt:' .. argument(i), run)
  i = i + 1
end
return redis.status_reply('OK')
