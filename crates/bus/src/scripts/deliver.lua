-- NARU.DELIVER conversation seq count sender USERS n user … [MENTIONED n user …] [KIND k] [MODE m], users of one partition.
-- With TELL entry, which may be empty, their servers are told. With SINCE n user seq … it is known by which entry of a room they
-- joined.
local id, seq, count, sender = argument(1), tonumber(argument(2)), tonumber(argument(3)), argument(4)
local users = tonumber(argument(6))
local mentioned, since, kind, mode, entry = {}, {}, 'message', 'fanout', nil
local i = 7 + users
while argument(i) do
  local option = argument(i)
  if option == 'MENTIONED' then
    local n = tonumber(argument(i + 1))
    for j = i + 2, i + 1 + n do
      mentioned[argument(j)] = true
    end
    i = i + 2 + n
  elseif option == 'SINCE' then
    local n = tonumber(argument(i + 1))
    for j = i + 2, i + 2 * n, 2 do
      since[argument(j)] = tonumber(argument(j + 1))
    end
    i = i + 2 + 2 * n
  else
    if option == 'KIND' then
      kind = argument(i + 1)
    elseif option == 'MODE' then
      mode = argument(i + 1)
    elseif option == 'TELL' then
      entry = argument(i + 1)
    end
    i = i + 2
  end
end

-- The entry is unread and mentions the user; of too many the lowest goes.
local function mention(record)
  local at = #record.mentions + 1
  while at > 1 and record.mentions[at - 1] >= seq do
    at = at - 1
  end
  if record.mentions[at] ~= seq then
    table.insert(record.mentions, at, seq)
  end
  if #record.mentions > LIMITS.mentions_kept then
    table.remove(record.mentions, 1)
  end
end

local delivered = {}
for u = 7, 6 + users do
  local user = argument(u)
  local is_own = user == sender
  local before = record_at(user, id)
  local record = record_of(before)
  local head, followed = record.head, before and record.follow
  local is_news = seq > head
  if is_news then
    record.head, record.count = seq, count
    if is_own and kind == 'leave' then
      record.follow = 'l'
    elseif mode == 'broadcast' or kind == 'broadcast' then
      record.follow = 'c'
    else
      record.follow = 'i'
    end
  end
  if is_own then
    read_up_to(record, seq, count)
  elseif mentioned[user] and count > record.read then
    mention(record)
  end
  if is_news or packed(record) ~= (before or packed(record_of(nil))) then
    local after, about = head, kind
    if not is_news then
      after, about = seq, is_own and 'read' or 'mention'
    elseif mode == 'broadcast' or (kind == 'join' and is_own) then
      after = seq - 1
    elseif since[user] then
      after = math.max(head, math.min(since[user], seq) - 1)
    end
    local useq = change(person_of(user), id, record, followed, after, seq, about)
    delivered[#delivered + 1] = { user, useq, after, servers_of(user) }
  end
end

if entry then
  local servers, of = {}, {}
  for _, one in ipairs(delivered) do
    for _, server in ipairs(one[4]) do
      if not of[server] then
        servers[#servers + 1] = server
        of[server] = {}
      end
      table.insert(of[server], told(one[1], one[2], one[3]))
    end
  end
  for _, server in ipairs(servers) do
    tell(server, id, seq, kind, table.concat(of[server], ','), entry)
  end
end
return delivered
