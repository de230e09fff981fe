-- NARU.CHANNEL.PUBLISH channel payload SIZE n TTL ms META ms [ONCE key ms]
local payload, size = argument(2), tonumber(argument(4))
local once

if argument(9) then
  once = P .. ':co:' .. #channel .. ':' .. channel .. ':' .. argument(10)
  local offset, epoch = string.match(redis.call('GET', once) or '', '^(%d+) (.*)$')
  if offset then
    return { 0, tonumber(offset), epoch, 1 }
  end
end

local offset, epoch, message = 0, '', payload
if size > 0 then
  offset, epoch = used(tonumber(argument(8)), ARGV[2])
  offset = offset + 1
  redis.call('HSET', META, 't', int(offset))
  redis.call('RPUSH', KEPT, payload)
  redis.call('LTRIM', KEPT, -size, -1)
  redis.call('PEXPIRE', KEPT, argument(6))
  message = 'naru:' .. int(offset) .. ':' .. epoch .. '\n' .. payload
end
if once then
  redis.call('SET', once, int(offset) .. ' ' .. epoch, 'PX', argument(11))
end
return { redis.call('PUBLISH', channel, message), offset, epoch, 0 }
