-- NARU.READ user conversation seq count
local user, id, seq = argument(1), argument(2), tonumber(argument(3))
local before = record_at(user, id)
if not before then
  return { 0, 0, 0, 0 }
end
local record = record_of(before)
read_up_to(record, seq, tonumber(argument(4)))
if packed(record) ~= before then
  local useq = change(person_of(user), id, record, record.follow, seq, seq, 'read')
  for _, server in ipairs(servers_of(user)) do
    tell(server, id, seq, 'read', told(user, useq, seq), '')
  end
end
return { record.useq, record.count, record.read, #record.mentions }
