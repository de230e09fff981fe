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
      forgetting()(person)
    end
  end
  return useq
end
