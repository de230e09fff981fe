-- NARU.ACK user device offset [WITHIN conversation seq]
local person = person_of(argument(1))
local devices = devices_of(person.user)
local device = standing_of(person, devices, argument(2))
local useq = math.min(tonumber(argument(3)), person.head)
if useq > device.cursor then
  local floor = person.floor
  device.cursor = useq
  note(person, devices, device, now())
  if useq >= floor then
    redis.call('DEL', device.behind)
  else
    local stood = redis.call('HKEYS', device.behind)
    for _, id in ipairs(stood) do
      local record = record_at(person.user, id)
      if not record or tonumber(record_of(record).useq) <= useq then
        redis.call('HDEL', device.behind, id)
      end
    end
  end
end

local id = argument(5)
local record = id and record_at(person.user, id)
if record and device.is_known and device.cursor < person.floor then
  record = record_of(record)
  local seq = math.min(tonumber(argument(6)), tonumber(record.head))
  if seq > stands(device, ring_after(person, device.cursor), id, record) then
    redis.call('HSET', device.behind, id, seq)
  end
end
return device.cursor
