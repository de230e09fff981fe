-- One user: the index and the ring of their inbox, and their devices.

local function person_of(user)
  local f = redis.call('HMGET', P .. ':um:' .. user, 'u', 'g', 'fl')
  return { user = user, head = tonumber(f[1] or 0), generation = tonumber(f[2] or 1), floor = tonumber(f[3] or 0) }
end

local FOLLOWS = { i = 'inbox', c = 'channel', l = 'left' }

-- A record of the index: `head count read follow mentions useq`, the mentions with commas.
local function record_of(packed)
  if not packed then
    return { head = 0, count = 0, read = 0, follow = 'i', mentions = {}, useq = 0 }
  end
  local head, count, read, follow, mentions, useq = string.match(packed, '^(%d+) (%d+) (%d+) (%a) ([%d,]*) (%d+)$')
  local record = { head = tonumber(head), count = tonumber(count), read = tonumber(read), follow = follow,
    mentions = {}, useq = tonumber(useq) }
  for mention in string.gmatch(mentions, '%d+') do
    record.mentions[#record.mentions + 1] = tonumber(mention)
  end
  return record
end

local function packed(record)
  local mentions = {}
  for i, mention in ipairs(record.mentions) do
    mentions[i] = int(mention)
  end
  return int(record.head) .. ' ' .. int(record.count) .. ' ' .. int(record.read) .. ' ' .. record.follow .. ' '
    .. table.concat(mentions, ',') .. ' ' .. int(record.useq)
end

local function record_at(user, id)
  return redis.call('HGET', P .. ':ix:' .. user, id)
end

-- Moves the read mark; never back.
local function read_up_to(record, seq, count)
  record.read = math.max(record.read, count)
  local unread = {}
  for _, mention in ipairs(record.mentions) do
    if mention > seq then
      unread[#unread + 1] = mention
    end
  end
  record.mentions = unread
end

-- The pointers of the ring after a useq, oldest first. One is `useq after seq kind conversation`.
local function pointer_of(packed)
  local useq, after, seq, kind, id = string.match(packed, '^(%d+) (%d+) (%d+) (%a+) (.*)$')
  return { useq = tonumber(useq), after = tonumber(after), seq = tonumber(seq), kind = kind, id = id }
end

local function ring_after(user, useq)
  local pointers = {}
  for _, packed in ipairs(redis.call('LRANGE', P .. ':rg:' .. user, 0, -1)) do
    local pointer = pointer_of(packed)
    if pointer.useq > useq then
      pointers[#pointers + 1] = pointer
    end
  end
  return pointers
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
