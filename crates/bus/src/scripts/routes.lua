-- Which servers hold a connection of a user: `server \0 epoch` of each run, by when it said so.

local ROUTES = 16

local function servers_of(user)
  local names, known = {}, {}
  for _, run in ipairs(redis.call('ZRANGE', P .. ':rt:' .. user, 0, -1)) do
    local name = string.match(run, '^[^%z]+')
    if not known[name] then
      known[name] = true
      names[#names + 1] = name
    end
  end
  if #names > 1 then
    table.sort(names, less)
  end
  return names
end

-- The servers of each of these, whose names come first in them and who are in these partitions, as their fourth; and whether there
-- may be any. Most often nobody of them is connected, which is one question.
local NO_SERVERS = {}

local function with_servers(delivered, partitions)
  local routes = {}
  for i, one in ipairs(delivered) do
    routes[i] = partitions[i] .. ':rt:' .. one[1]
  end
  if #routes == 0 or redis.call('EXISTS', unpack(routes)) == 0 then
    return false
  end
  for i, one in ipairs(delivered) do
    P = partitions[i]
    one[4] = servers_of(one[1])
  end
  return true
end
