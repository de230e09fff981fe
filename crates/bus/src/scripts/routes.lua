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
  table.sort(names, less)
  return names
end
