-- A device was there.

-- Keeps where it stands, forgets those that were away too long and the longest unseen of too many, and lets what all have
-- acknowledged leave the ring.
local function note(person, devices, device, moment)
  local user = person.user
  device.seen = math.max(device.seen, moment)
  -- First what a server without memory refuses, so that nothing is done by halves.
  redis.call('HSET', P .. ':dv:' .. user, device.name, int(device.cursor) .. ' ' .. int(device.seen))
  if not device.is_known then
    devices[#devices + 1] = device
    if device.is_first then
      local own = behind(user, device.name)
      if redis.call('EXISTS', device.behind) == 1 then
        redis.call('RENAME', device.behind, own)
      end
      device.behind = own
    end
    device.is_known = true
  end

  local function forget(i)
    redis.call('HDEL', P .. ':dv:' .. user, devices[i].name)
    redis.call('DEL', behind(user, devices[i].name))
    table.remove(devices, i)
  end
  for i = #devices, 1, -1 do
    if devices[i] ~= device and moment - devices[i].seen > LIMITS.device_ttl then
      forget(i)
    end
  end
  while #devices > math.max(LIMITS.devices, 1) do
    local longest
    for i, other in ipairs(devices) do
      local than = devices[longest]
      if other ~= device and (not than or other.seen < than.seen or (other.seen == than.seen and less(other.name, than.name))) then
        longest = i
      end
    end
    forget(longest)
  end

  local slowest = device.cursor
  for _, other in ipairs(devices) do
    slowest = math.min(slowest, other.cursor)
  end
  if slowest > person.floor then
    -- Numbers may jump, so there may be fewer.
    local oldest, count = redis.call('LRANGE', P .. ':rg:' .. user, 0, int(slowest - person.floor - 1)), 0
    while oldest[count + 1] and pointer_of(oldest[count + 1]).useq <= slowest do
      count = count + 1
    end
    if count > 0 then
      leave_ring(person, count)
    end
    person.floor = slowest
    redis.call('HSET', P .. ':ix:' .. user, STANDS, packed_person(person))
  end
end
