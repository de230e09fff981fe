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
