-- NARU.PRESENCE user …, users of one partition
local present, i = {}, 1
while argument(i) do
  local servers = servers_of(argument(i))
  if #servers > 0 then
    present[#present + 1] = { argument(i), servers }
  end
  i = i + 1
end
return present
