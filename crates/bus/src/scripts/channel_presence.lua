-- NARU.CHANNEL.PRESENCE channel: of each client that some run said is present also which one. Which of them may be believed is told
-- where the servers are.
local present, said = {}, redis.call('HGETALL', P .. ':cp:' .. argument(1))
for i = 1, #said, 2 do
  local server, epoch, user, at = string.match(said[i + 1], '^([^%z]*)%z([^%z]*)%z([^%z]*)%z()')
  present[#present + 1] = { said[i], user, string.sub(said[i + 1], at), server, epoch }
end
return present
