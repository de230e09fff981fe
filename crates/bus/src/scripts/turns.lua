-- Who has come, gone or been given a role by an open entry before this one, each with its number, its count, its kind and how it is
-- fanned out: conversation before [user …]. With users, of these alone.
local log = log_of(argument(1))
local asked, of_all = {}, not argument(3)
local i = 3
while argument(i) do
  asked[argument(i)] = true
  i = i + 1
end
local turns = {}
for _, open in ipairs(redis.call('ZRANGE', P .. ':t:' .. log.id, '-inf', '(' .. argument(2), 'BYSCORE')) do
  local seq, count, kind, user = string.match(open, '^(%d+):(%d+):(%l+):(.*)$')
  if of_all or asked[user] then
    turns[#turns + 1] = { user, tonumber(seq), tonumber(count), kind, mode_of(log, tonumber(seq)) }
  end
end
return turns
