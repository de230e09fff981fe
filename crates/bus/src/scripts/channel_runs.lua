-- CHANNEL_RUNS channel (server epoch) …: forgets what these runs said, which are over; then, which runs say that somebody is present.
local key, over, i = P .. ':cp:' .. argument(1), {}, 2
while argument(i) do
  over[argument(i) .. '\0' .. argument(i + 1)] = true
  i = i + 2
end
local runs, known = {}, {}
local said = redis.call('HGETALL', key)
for i = 1, #said, 2 do
  local server, epoch = string.match(said[i + 1], '^([^%z]*)%z([^%z]*)%z')
  local run = server .. '\0' .. epoch
  if over[run] then
    redis.call('HDEL', key, said[i])
  elseif not known[run] then
    known[run] = true
    runs[#runs + 1] = { server, epoch }
  end
end
return runs
