-- NARU.DELIVER conversation seq count sender USERS n user … [MENTIONED n user …] [KIND k] [MODE m], users of the partition, or with
-- PARTS n … so many of each of the partitions that are the keys, one behind the other.
-- With TELL entry, which may be empty, their servers are told. With SINCE n user seq … it is known by which entry of a room they
-- joined. With TURNS n user seq count kind mode … it is known what is open of their coming and going before this, which comes first.
local id, sender, users = argument(1), argument(4), tonumber(argument(6))
local seq, count = tonumber(argument(2)), tonumber(argument(3))
local spelled_seq, spelled_count = int(seq), int(count)
local mentioned, since, turns, parts, kind, mode, entry = {}, {}, {}, { users }, 'message', 'fanout', nil
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
  elseif option == 'TURNS' then
    local n = tonumber(argument(i + 1))
    for j = i + 2, i + 1 + 5 * n, 5 do
      local user = argument(j)
      turns[user] = turns[user] or {}
      table.insert(turns[user], { seq = tonumber(argument(j + 1)), count = tonumber(argument(j + 2)), kind = argument(j + 3),
        mode = argument(j + 4), is_own = true })
    end
    i = i + 2 + 5 * n
  elseif option == 'PARTS' then
    for part = 1, #KEYS do
      parts[part] = tonumber(argument(i + part))
    end
    i = i + 1 + #KEYS
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
  local mentions = mentions_of(record)
  local at = #mentions + 1
  while at > 1 and mentions[at - 1] >= seq do
    at = at - 1
  end
  if mentions[at] ~= seq then
    table.insert(mentions, at, seq)
  end
  if #mentions > LIMITS.mentions_kept then
    table.remove(mentions, 1)
  end
  set_mentions(record, mentions)
end

-- Brings an entry to a user, of whom it is kept where they stand and the conversation's record. Returns after what the news begin, and
-- the number of the change; nothing if there is none.
local function bring(user, stands, before, it)
  local seq, spelled_seq = it.seq, int(it.seq)
  local record = record_of(before)
  local head, followed = record.head, before and record.follow
  local is_news = seq > tonumber(head)
  if is_news then
    record.head, record.count = spelled_seq, int(it.count)
    if it.is_own and it.kind == 'leave' then
      record.follow = 'l'
    elseif it.mode == 'broadcast' or it.kind == 'broadcast' then
      record.follow = 'c'
    else
      record.follow = 'i'
    end
  end
  if it.is_own then
    read_up_to(record, seq, it.count)
  elseif mentioned[user] and it.count > tonumber(record.read) then
    mention(record)
  end
  if not is_news and packed(record) == (before or packed(record_of(nil))) then
    return
  end
  local after, about = head, it.kind
  if not is_news then
    after, about = spelled_seq, it.is_own and 'read' or 'mention'
  elseif it.mode == 'broadcast' or (it.kind == 'join' and it.is_own) then
    after = int(seq - 1)
  elseif it.since then
    after = int(math.max(tonumber(head), it.since - 1))
  end
  return after, change(person_from(user, stands), id, record, followed, after, spelled_seq, about)
end

-- The same where it is as it nearly always is: one more for somebody else who follows by the inbox. What is only copied stays text.
local is_plain = mode == 'fanout' and kind ~= 'broadcast'
local pointer = ' ' .. spelled_seq .. ' ' .. kind .. ' ' .. id
local counted = spelled_seq .. ' ' .. spelled_count .. ' '
local function bring_one_more(user, stands, before)
  if not is_plain or not before or user == sender or mentioned[user] or turns[user] then
    return
  end
  local head, rest = string.match(before, '^(%d+) %d+ (%d+ i [%d,]* )%d+$')
  if not head or seq <= tonumber(head) then
    return
  end
  local after, joined = head, since[user]
  if joined and joined - 1 > tonumber(head) then
    after = int(joined - 1)
  end
  local last, of, floor = string.match(stands, '^(%d+) (%d+) (%d+)$')
  local now, given = generation(), tonumber(of)
  local useq = number_after(tonumber(last), given, now)
  local spelled = int(useq)
  if now > given then
    of = int(now)
  end
  local length = redis.call('RPUSH', P .. ':rg:' .. user, spelled .. ' ' .. after .. pointer)
  if length > LIMITS.ring then
    local person = { user = user, floor = tonumber(floor) }
    miss(user, leave_ring(person, length - LIMITS.ring))
    floor = int(person.floor)
  end
  redis.call('HSET', P .. ':ix:' .. user, STANDS, spelled .. ' ' .. of .. ' ' .. floor, id, counted .. rest .. spelled)
  return after, useq
end

local delivered, partitions = {}, {}
local part, left = 1, parts[1]
for u = 7, 6 + users do
  while left == 0 do
    part = part + 1
    left = parts[part]
    P, seen_generation = KEYS[part], nil
  end
  left = left - 1
  local user = argument(u)
  local stored = redis.call('HMGET', P .. ':ix:' .. user, STANDS, id)
  local after, useq = bring_one_more(user, stored[1], stored[2])
  if not useq then
    for _, turn in ipairs(turns[user] or {}) do
      local turn_after, turned = bring(user, stored[1], stored[2], turn)
      if turned then
        after, useq = turn_after, turned
        stored = redis.call('HMGET', P .. ':ix:' .. user, STANDS, id)
      end
    end
    local it = { seq = seq, count = count, kind = kind, mode = mode, is_own = user == sender, since = since[user] }
    local entry_after, brought = bring(user, stored[1], stored[2], it)
    if brought then
      after, useq = entry_after, brought
    end
  end
  if useq then
    delivered[#delivered + 1] = { user, useq, tonumber(after), NO_SERVERS }
    partitions[#delivered] = P
  end
end
if with_servers(delivered, partitions) and entry then
  local tell, told = telling()
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
    tell(server, id, spelled_seq, kind, table.concat(of[server], ','), entry)
  end
end
return delivered
