-- NARU.READ user conversation seq count. Besides, which servers hold the user, if something has changed.
local user, id, seq = argument(1), argument(2), tonumber(argument(3))
local before = record_at(user, id)
if not before then
  return { 0, 0, 0, 0, {} }
end
local record, servers = record_of(before), {}
read_up_to(record, seq, tonumber(argument(4)))
if packed(record) ~= before then
  change(person_of(user), id, record, record.follow, int(seq), int(seq), 'read')
  servers = servers_of(user)
end
return { tonumber(record.useq), tonumber(record.count), tonumber(record.read), #mentions_of(record), servers }
