-- NARU.STANDING user conversation
local person, id = person_of(argument(1)), argument(2)
local record = record_at(person.user, id)
local devices = devices_of(person.user)
table.sort(devices, function(a, b)
  return less(a.name, b.name)
end)
local standings = {}
for i, device in ipairs(devices) do
  device.behind = behind(person.user, device.name)
  local from = record and stands(device, ring_after(person, device.cursor), id, record_of(record)) or 0
  standings[i] = { device.name, device.cursor, device.seen, from }
end
local row = record and row(id, record_of(record), 0)
return { epoch(), person.head, person.floor, row, standings, servers_of(person.user) }
