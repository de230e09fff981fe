-- The index in the order of the last change. What changed last in the ring is in the ring's order; the rest, which changed before
-- it, in `zx`, where each comes when its pointer leaves the ring. So a delivery need not write there.

-- What changed last in the ring, the newest first, and which these are.
local function changed_in_ring(person)
  local changed, is_there = {}, {}
  local pointers = ring_after(person, person.floor)
  for i = #pointers, 1, -1 do
    local pointer = pointers[i]
    if not is_there[pointer.id] then
      is_there[pointer.id] = true
      local record = record_at(person.user, pointer.id)
      if record then
        changed[#changed + 1] = { id = pointer.id, useq = pointer.useq, record = record_of(record) }
      end
    end
  end
  return changed, is_there
end

-- Up to so many of the rest, as ZRANGE has it from here to there. An older place of what is in the ring by now does not count.
local function changed_before_ring(person, is_in_ring, from, to, how, count)
  local changed, start = {}, 0
  repeat
    local arguments = { from, to, 'BYSCORE', 'LIMIT', start, count + 1 }
    if how then
      table.insert(arguments, 4, how)
    end
    local ids = redis.call('ZRANGE', P .. ':zx:' .. person.user, unpack(arguments))
    start = start + #ids
    for _, id in ipairs(ids) do
      if #changed < count and not is_in_ring[id] then
        changed[#changed + 1] = { id = id, record = record_of(record_at(person.user, id)) }
      end
    end
  until #changed == count or #ids <= count
  return changed
end
