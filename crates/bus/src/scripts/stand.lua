-- Where devices stand.

-- A device, or what it would be if it were there: the first one takes over what nobody has acknowledged, a later one goes on
-- from the oldest the ring has.
local function standing_of(person, devices, name)
  for _, device in ipairs(devices) do
    if device.name == name then
      device.is_known = true
      device.behind = behind(person.user, name)
      return device
    end
  end
  local is_first = #devices == 0
  return { name = name, cursor = is_first and 0 or person.floor, seen = 0, is_first = is_first,
    behind = behind(person.user, is_first and '' or name) }
end

-- After what there is something new to a device in a conversation, given the ring's pointers after its cursor.
local function stands(device, missing, id, record)
  local stood = redis.call('HGET', device.behind, id)
  if stood then
    return tonumber(stood)
  end
  for _, pointer in ipairs(missing) do
    if pointer.id == id and pointer.after < pointer.seq then
      return pointer.after
    end
  end
  return tonumber(record.head)
end

local function row(id, record, from)
  return { id, from, tonumber(record.head), tonumber(record.count), tonumber(record.read), #mentions_of(record),
    tonumber(record.useq), FOLLOWS[record.follow] }
end
