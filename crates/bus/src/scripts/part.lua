-- Since which entry these take part, 0 for those who always do, -1 for those who do not: conversation user …
local log = log_of(argument(1))
local part, i = {}, 2
while argument(i) do
  local role, since = role_of(log, argument(i))
  part[#part + 1] = role and since or -1
  i = i + 1
end
return part
