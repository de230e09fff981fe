-- NARU.CHANNEL.STATS channel OF (server epoch) …: how many are present by these runs, and how many users they are of.
local believed, i = {}, 3
while argument(i) do
  believed[argument(i) .. '\0' .. argument(i + 1)] = true
  i = i + 2
end
local clients, users, known = 0, 0, {}
for _, said in ipairs(redis.call('HVALS', P .. ':cp:' .. argument(1))) do
  local run, user = string.match(said, '^([^%z]*%z[^%z]*)%z([^%z]*)%z')
  if believed[run] then
    clients = clients + 1
    if not known[user] then
      known[user], users = true, users + 1
    end
  end
end
return { clients, users }
