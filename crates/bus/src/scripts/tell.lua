-- Telling the servers that hold a user. In the script: so a server hears of one user's changes in their order.

-- `seq` is spelled; `to` is one list of `user, useq, after` as JSON; `entry` an entry's JSON, or empty.
local function tell(server, id, seq, kind, to, entry)
  local json = '{"conversation":' .. quoted(id) .. ',"seq":' .. seq .. ',"kind":"' .. kind .. '","to":[' .. to .. ']'
  if entry ~= '' then
    json = json .. ',"entry":' .. entry
  end
  redis.call('PUBLISH', 'naru:server:' .. server, json .. '}')
end

local function told(user, useq, after)
  return '[' .. quoted(user) .. ',' .. int(useq) .. ',' .. int(after) .. ']'
end
