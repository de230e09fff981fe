-- Which of these take part: conversation user …
local log = log_of(argument(1))
local part, i = {}, 2
while argument(i) do
  part[#part + 1] = role_of(log, argument(i)) and 1 or 0
  i = i + 1
end
return part
