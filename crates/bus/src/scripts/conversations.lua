-- NARU.CONVERSATIONS user before limit
local person, before, limit = person_of(argument(1)), tonumber(argument(2)), page(argument(3))
local in_ring, is_in_ring = changed_in_ring(person)
local changed = {}
for _, one in ipairs(in_ring) do
  if before == 0 or one.useq < before then
    changed[#changed + 1] = one
  end
end
if #changed <= limit then
  local from = before == 0 and '+inf' or '(' .. int(before)
  local rest = limit + 1 - #changed
  for _, one in ipairs(changed_before_ring(person, is_in_ring, from, '-inf', 'REV', rest)) do
    changed[#changed + 1] = one
  end
end
local rows = {}
for i = 1, math.min(limit, #changed) do
  rows[i] = row(changed[i].id, changed[i].record, 0)
end
return { #changed > limit and 1 or 0, rows }
