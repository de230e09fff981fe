-- A change of a user's index.

-- Keeps where devices stand in what they had not seen of the pointers that left the ring.
local function miss(user, pointers)
  local devices
  for _, pointer in ipairs(pointers) do
    if pointer.after < pointer.seq then
      devices = devices or devices_of(user)
      if #devices == 0 then
        devices[1] = { name = '', cursor = 0 }
      end
      for _, device in ipairs(devices) do
        if device.cursor < pointer.useq then
          redis.call('HSETNX', behind(user, device.name), pointer.id, int(pointer.after))
        end
      end
    end
  end
end

-- The conversation that changed longest ago, of those left if there are any.
local function longest_unchanged(person)
  local left = redis.call('ZRANGE', P .. ':lf:' .. person.user, 0, 0)[1]
  if left then
    return left
  end
  local in_ring, is_in_ring = changed_in_ring(person)
  local before = changed_before_ring(person, is_in_ring, '-inf', '+inf', nil, 1)[1]
  return (before or in_ring[#in_ring]).id
end

local function forget_conversation(person)
  local user, id = person.user, longest_unchanged(person)
  redis.call('HDEL', P .. ':ix:' .. user, id)
  for _, order in ipairs({ ':zx:', ':lf:', ':br:' }) do
    redis.call('ZREM', P .. order .. user, id)
  end
  local devices = devices_of(user)
  devices[#devices + 1] = { name = '' }
  for _, device in ipairs(devices) do
    redis.call('HDEL', behind(user, device.name), id)
  end
end

-- Keeps a changed record, with the next number, which is returned, and a pointer in the ring. `after` and `seq` are spelled.
local function change(person, id, record, followed, after, seq, kind)
  local user, generation = person.user, generation()
  local useq = number_after(person.head, person.generation, generation)
  person.head, person.generation = useq, math.max(generation, person.generation)
  local spelled = int(useq)
  record.useq = spelled

  local ring, index = P .. ':rg:' .. user, P .. ':ix:' .. user
  local length = redis.call('RPUSH', ring, spelled .. ' ' .. after .. ' ' .. seq .. ' ' .. kind .. ' ' .. id)
  if length > LIMITS.ring then
    miss(user, leave_ring(person, length - LIMITS.ring))
  end
  local is_new = redis.call('HSET', index, STANDS, packed_person(person), id, packed(record)) > 0

  if record.follow == 'l' then
    redis.call('ZADD', P .. ':lf:' .. user, spelled, id)
  elseif followed == 'l' then
    redis.call('ZREM', P .. ':lf:' .. user, id)
  end
  if record.follow == 'c' and followed ~= 'c' then
    redis.call('ZADD', P .. ':br:' .. user, 0, id)
  elseif record.follow ~= 'c' and followed == 'c' then
    redis.call('ZREM', P .. ':br:' .. user, id)
  end
  if is_new then
    -- Where the user stands is there, too.
    while redis.call('HLEN', index) - 1 > LIMITS.conversations do
      forget_conversation(person)
    end
  end
  return useq
end
