-- NARU.RESUME user device epoch offset limit
local person, moment = person_of(argument(1)), now()
local devices = devices_of(person.user)
local device = standing_of(person, devices, argument(2))
if not device.is_known or moment - device.seen >= LIMITS.seen_every then
  note(person, devices, device, moment)
end
local epoch, given, limit = epoch(), argument(3), page(argument(5))
local is_foreign = given ~= '' and given ~= epoch
local position = given ~= '' and not is_foreign and tonumber(argument(4))
local start = device.cursor
if position and position <= person.head then
  -- Of what has left the ring it does not get again what it has acknowledged.
  start = math.max(position, math.min(device.cursor, person.floor))
end
local how = is_foreign and 'reset' or start >= person.floor and 'ring' or 'index'
local pointers, more = {}, 0
if how == 'ring' then
  for _, pointer in ipairs(ring_after(person, start)) do
    if #pointers == limit then
      more = 1
      break
    end
    pointers[#pointers + 1] = { pointer.useq, pointer.id, pointer.after, pointer.seq, pointer.kind }
  end
end
local channels = {}
for _, id in ipairs(redis.call('ZRANGE', P .. ':br:' .. person.user, 0, -1)) do
  channels[#channels + 1] = { id, tonumber(record_of(record_at(person.user, id)).read) }
end
return { epoch, device.cursor, person.head, start, how, more, pointers, channels }
