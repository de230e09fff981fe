-- NARU.CHANGED user device after limit
local person, after, limit = person_of(argument(1)), argument(3), page(argument(4))
local device = standing_of(person, devices_of(person.user), argument(2))
local ids = redis.call('ZRANGE', P .. ':zx:' .. person.user, '(' .. after, '+inf', 'BYSCORE', 'LIMIT', 0, limit + 1)
local missing = ring_after(person.user, device.cursor)
local rows = {}
for i = 1, math.min(limit, #ids) do
  local record = record_of(record_at(person.user, ids[i]))
  rows[i] = row(ids[i], record, stands(device, missing, ids[i], record))
end
return { #ids > limit and 1 or 0, rows }
