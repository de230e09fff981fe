-- NARU.READ user conversation seq count
local user, id, seq = argument(1), argument(2), tonumber(argument(3))
local before = record_at(user, id)
if not before then
  return { 0, 0, 0, 0, FOLLOWS.i }
end
local record = record_of(before)
read_up_to(record, seq, tonumber(argument(4)))
if packed(record) ~= before then
  local spelled = int(seq)
  local useq = change(person_of(user), id, record, record.follow, spelled, spelled, 'read')
  local servers = servers_of(user)
  if #servers > 0 then
    local tell, told = telling()
    for _, server in ipairs(servers) do
      tell(server, id, spelled, 'read', told(user, useq, seq), '')
    end
  end
end
return { tonumber(record.useq), tonumber(record.count), tonumber(record.read), #mentions_of(record),
  FOLLOWS[record.follow] }
