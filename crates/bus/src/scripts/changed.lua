-- NARU.CHANGED user device after limit
local person, after, limit = person_of(argument(1)), tonumber(argument(3)), page(argument(4))
local device = standing_of(person, devices_of(person.user), argument(2))
local in_ring, is_in_ring = changed_in_ring(person)
local changed = {}
if after < person.floor then
  changed = changed_before_ring(person, is_in_ring, '(' .. int(after), '+inf', nil, limit + 1)
end
for i = #in_ring, 1, -1 do
  if in_ring[i].useq > after then
    changed[#changed + 1] = in_ring[i]
  end
end
local missing = ring_after(person, device.cursor)
local rows = {}
for i = 1, math.min(limit, #changed) do
  local id, record = changed[i].id, changed[i].record
  rows[i] = row(id, record, stands(device, missing, id, record))
end
return { #changed > limit and 1 or 0, rows }
