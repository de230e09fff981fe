-- NARU.PRESENCE user …, users of one partition: of each who is routed the runs, `server \0 epoch`. Which of them may be believed is
-- told where the servers are.
local present, i = {}, 1
while argument(i) do
  local runs = redis.call('ZRANGE', P .. ':rt:' .. argument(i), 0, -1)
  if #runs > 0 then
    present[#present + 1] = { argument(i), runs }
  end
  i = i + 1
end
return present
