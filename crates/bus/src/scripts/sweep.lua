-- NARU.SWEEP server older-than-ms limit lease-ms
local server, moment = argument(1), now()
local older_than, limit, lease = tonumber(argument(2)), page(argument(3)), tonumber(argument(4))
-- A log's time may be ahead of the clock.
local last = older_than > 0 and int(moment - older_than) or '+inf'

-- A lease that was over once stays over, also if the clock goes back.
local leases = P .. ':lease'
local holders, flat = {}, redis.call('HGETALL', leases)
for i = 1, #flat, 2 do
  local ends, holder = string.match(flat[i + 1], '^(%d+) (.*)$')
  if tonumber(ends) <= moment then
    redis.call('HDEL', leases, flat[i])
  else
    holders[flat[i]] = holder
  end
end

local open, start = {}, 0
repeat
  local waiting = redis.call('ZRANGE', P .. ':pend', '-inf', last, 'BYSCORE', 'LIMIT', start, 100)
  start = start + #waiting
  for _, id in ipairs(waiting) do
    local holder = holders[id]
    if (not holder or holder == server) and #open < limit then
      local log = log_of(id)
      open[#open + 1] = { id, fanned_out(log), log.head, log.version }
      redis.call('HSET', leases, id, int(moment + lease) .. ' ' .. server)
    end
  end
until #waiting < 100 or #open == limit
return open
