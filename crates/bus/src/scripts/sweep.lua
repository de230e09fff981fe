-- NARU.SWEEP server older-than-ms limit lease-ms
local server, moment = argument(1), now()
local older_than, limit, lease = tonumber(argument(2)), page(argument(3)), tonumber(argument(4))
-- A log's time may be ahead of the clock.
local last = older_than > 0 and int(moment - older_than) or '+inf'
local open = {}
local start = 0
repeat
  local waiting = redis.call('ZRANGE', P .. ':pend', '-inf', last, 'BYSCORE', 'LIMIT', start, 100)
  start = start + #waiting
  for _, id in ipairs(waiting) do
    local until_, holder = string.match(redis.call('HGET', P .. ':lease', id) or '', '^(%d+) (.*)$')
    local is_free = not until_ or tonumber(until_) <= moment or holder == server
    if is_free and #open < limit then
      local log = log_of(id)
      open[#open + 1] = { id, fanned_out(log), log.head, log.version }
      redis.call('HSET', P .. ':lease', id, int(moment + lease) .. ' ' .. server)
    end
  end
until #waiting < 100 or #open == limit
return open
