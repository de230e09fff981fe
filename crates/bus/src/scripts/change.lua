-- A change of a user's index.

local function miss(user, pointer)
  if pointer.after == pointer.seq then
    return
  end
  local devices = devices_of(user)
  if #devices == 0 then
    devices = { { name = '', cursor = 0 } }
  end
  for _, device in ipairs(devices) do
    if device.cursor < pointer.useq then
      redis.call('HSETNX', behind(user, device.name), pointer.id, pointer.after)
    end
  end
end

-- Forgets the conversation that changed longest ago, of those left if there are any.
local function forget_conversation(user)
  local id = redis.call('ZRANGE', P .. ':lf:' .. user, 0, 0)[1] or redis.call('ZRANGE', P .. ':zx:' .. user, 0, 0)[1]
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

-- Keeps a changed record, with the next number and a pointer in the ring. Returns the number.
local function change(person, id, record, followed, after, seq, kind)
  local user, generation = person.user, generation()
  local useq = number_after(person.head, person.generation, generation)
  person.head, person.generation = useq, math.max(generation, person.generation)
  record.useq = useq
  redis.call('HSET', P .. ':ix:' .. user, id, packed(record))
  redis.call('ZADD', P .. ':zx:' .. user, int(useq), id)
  if record.follow == 'l' then
    redis.call('ZADD', P .. ':lf:' .. user, int(useq), id)
  elseif followed == 'l' then
    redis.call('ZREM', P .. ':lf:' .. user, id)
  end
  if record.follow == 'c' and followed ~= 'c' then
    redis.call('ZADD', P .. ':br:' .. user, 0, id)
  elseif record.follow ~= 'c' and followed == 'c' then
    redis.call('ZREM', P .. ':br:' .. user, id)
  end

  local ring = P .. ':rg:' .. user
  local pointer = int(useq) .. ' ' .. int(after) .. ' ' .. int(seq) .. ' ' .. kind .. ' ' .. id
  local length = redis.call('RPUSH', ring, pointer)
  while length > LIMITS.ring do
    local oldest = pointer_of(redis.call('LPOP', ring))
    length = length - 1
    person.floor = oldest.useq
    miss(user, oldest)
  end
  while redis.call('HLEN', P .. ':ix:' .. user) > LIMITS.conversations do
    forget_conversation(user)
  end
  redis.call('HSET', P .. ':um:' .. user, 'u', int(person.head), 'g', int(person.generation), 'fl', int(person.floor))
  return useq
end
