-- Who has come, gone or been given a role by an open entry before this one, each with its number, its count, its kind and how it is
-- fanned out: conversation before
local log = log_of(argument(1))
local turns = {}
for _, open in ipairs(redis.call('ZRANGEBYSCORE', P .. ':f:' .. log.id, '-inf', '(' .. argument(2))) do
  local seq = tonumber(string.match(open, '^%d+'))
  local fields = entry_at(log, seq)
  if fields and (fields.k == 'join' or fields.k == 'leave' or fields.k == 'role') then
    turns[#turns + 1] = { fields.u, seq, tonumber(fields.m), fields.k, mode_of(log, seq) }
  end
end
return turns
