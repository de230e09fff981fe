-- NARU.CHANNEL.PRESENCE channel [CLIENTS n] [BYTES n] OF (server epoch) …: who is present by these runs.
local clients, bytes
local i = 2
while argument(i) ~= 'OF' do
  if argument(i) == 'CLIENTS' then
    clients = tonumber(argument(i + 1))
  else
    bytes = tonumber(argument(i + 1))
  end
  i = i + 2
end
local believed = {}
i = i + 1
while argument(i) do
  believed[argument(i) .. '\0' .. argument(i + 1)] = true
  i = i + 2
end
local present, size, said = {}, 0, redis.call('HGETALL', P .. ':cp:' .. argument(1))
for i = 1, #said, 2 do
  local run, user, at = string.match(said[i + 1], '^([^%z]*%z[^%z]*)%z([^%z]*)%z()')
  if believed[run] then
    local info = string.sub(said[i + 1], at)
    present[#present + 1], size = { said[i], user, info }, size + #info
    if clients and #present > clients or bytes and size > bytes then
      return redis.error_reply('TOOMANY more clients are present, or more is said of them, than may be told')
    end
  end
end
return present
