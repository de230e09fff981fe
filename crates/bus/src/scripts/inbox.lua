-- One user: the index and the ring of their inbox, and their devices.

-- Where the user stands is kept beside their records, under a name that no conversation has: what is read or written together is
-- one call, and one key. It is `head generation floor`.
local STANDS = ''

local function person_from(user, packed)
  if not packed then
    return { user = user, head = 0, generation = 1, floor = 0 }
  end
  local head, generation, floor = string.match(packed, '^(%d+) (%d+) (%d+)$')
  return { user = user, head = tonumber(head), generation = tonumber(generation), floor = tonumber(floor) }
end

local function person_of(user)
  return person_from(user, redis.call('HGET', P .. ':ix:' .. user, STANDS))
end

local function packed_person(person)
  return string.format('%d %d %d', person.head, person.generation, person.floor)
end

local FOLLOWS = { i = 'inbox', c = 'channel', l = 'left' }

-- A record of the index: `head count read follow mentions useq`, the mentions with a comma after each. Numbers stay spelled, since
-- most of them are only copied.
local function record_of(packed)
  if not packed then
    return { head = '0', count = '0', read = '0', follow = 'i', mentions = '', useq = '0' }
  end
  local head, count, read, follow, mentions, useq = string.match(packed, '^(%d+) (%d+) (%d+) (%a) ([%d,]*) (%d+)$')
  return { head = head, count = count, read = read, follow = follow, mentions = mentions, useq = useq }
end

local function packed(record)
  return record.head .. ' ' .. record.count .. ' ' .. record.read .. ' ' .. record.follow .. ' ' .. record.mentions .. ' '
    .. record.useq
end

local function record_at(user, id)
  return redis.call('HGET', P .. ':ix:' .. user, id)
end

-- The unread mentions, as numbers in order. Hardly ever are there any, so they are spelled as they are kept until somebody asks.
local function mentions_of(record)
  local mentions = {}
  for mention in string.gmatch(record.mentions, '%d+') do
    mentions[#mentions + 1] = tonumber(mention)
  end
  return mentions
end

local function set_mentions(record, mentions)
  local spelled = {}
  for i, mention in ipairs(mentions) do
    spelled[i] = int(mention) .. ','
  end
  record.mentions = table.concat(spelled)
end

-- Moves the read mark; never back.
local function read_up_to(record, seq, count)
  if count > tonumber(record.read) then
    record.read = int(count)
  end
  if record.mentions == '' then
    return
  end
  local unread = {}
  for _, mention in ipairs(mentions_of(record)) do
    if mention > seq then
      unread[#unread + 1] = mention
    end
  end
  set_mentions(record, unread)
end

-- The pointers of the ring after a useq, oldest first. One is `useq after seq kind conversation`.
local function pointer_of(packed)
  local useq, after, seq, kind, id = string.match(packed, '^(%d+) (%d+) (%d+) (%a+) (.*)$')
  return { useq = tonumber(useq), after = tonumber(after), seq = tonumber(seq), kind = kind, id = id }
end

local function ring_after(person, useq)
  local pointers = {}
  if useq >= person.head then
    return pointers
  end
  -- Numbers may jump, so there may be fewer.
  local newest = redis.call('LRANGE', P .. ':rg:' .. person.user, int(useq - person.head), -1)
  for _, packed in ipairs(newest) do
    local pointer = pointer_of(packed)
    if pointer.useq > useq then
      pointers[#pointers + 1] = pointer
    end
  end
  return pointers
end

-- Takes so many of the oldest pointers out of the ring. Conversations that have not changed since are in `zx` from then on.
local function leave_ring(person, count)
  local user, left = person.user, {}
  for i, spelled in ipairs(redis.call('LPOP', P .. ':rg:' .. user, count)) do
    local pointer = pointer_of(spelled)
    local useq, record = int(pointer.useq), record_at(user, pointer.id)
    if record and record_of(record).useq == useq then
      redis.call('ZADD', P .. ':zx:' .. user, useq, pointer.id)
    end
    left[i] = pointer
  end
  person.floor = left[#left].useq
  return left
end

-- The user's devices, each `cursor seen`.
local function devices_of(user)
  local flat = redis.call('HGETALL', P .. ':dv:' .. user)
  local devices = {}
  for i = 1, #flat, 2 do
    local cursor, seen = string.match(flat[i + 1], '^(%d+) (%d+)$')
    devices[#devices + 1] = { name = flat[i], cursor = tonumber(cursor), seen = tonumber(seen) }
  end
  return devices
end

-- Where a device stood in the conversations whose pointers left the ring before it had them. Before there is a first device,
-- nobody is as one that has acknowledged nothing, under the empty name.
local function behind(user, device)
  return P .. ':dc:' .. user .. ':' .. device
end
