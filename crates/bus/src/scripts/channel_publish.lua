-- NARU.CHANNEL.PUBLISH channel payload SIZE n TTL ms META ms [ONCE key ms] [VERSION n epoch]
local payload, size = argument(2), tonumber(argument(4))
local once, window, number, of
local i = 9
while argument(i) do
  if argument(i) == 'ONCE' then
    once, window = P .. ':co:' .. #channel .. ':' .. channel .. ':' .. argument(i + 1), argument(i + 2)
  else
    number, of = argument(i + 1), argument(i + 2)
  end
  i = i + 3
end

-- Whether a number is higher than another one. As numbers of a script, two may be the same that are not.
local function is_higher(a, b)
  return #a > #b or #a == #b and less(b, a)
end

if once then
  local offset, epoch = string.match(redis.call('GET', once) or '', '^(%d+) (.*)$')
  if offset then
    return { 0, tonumber(offset), epoch, 1 }
  end
end

local offset, epoch, message = 0, '', payload
if size > 0 then
  offset, epoch = used(tonumber(argument(8)), ARGV[2])
  if number then
    local last = redis.call('HMGET', META, 'v', 'o')
    if last[1] and (of == '' or of == last[2]) and not is_higher(number, last[1]) then
      return { 0, offset, epoch, 1 }
    end
    redis.call('HSET', META, 'v', number, 'o', of)
  end
  offset = offset + 1
  redis.call('HSET', META, 't', int(offset))
  redis.call('RPUSH', KEPT, payload)
  redis.call('LTRIM', KEPT, -size, -1)
  redis.call('PEXPIRE', KEPT, argument(6))
  message = 'naru:' .. int(offset) .. ':' .. epoch .. '\n' .. payload
end
if once then
  redis.call('SET', once, int(offset) .. ' ' .. epoch, 'PX', window)
end
return { redis.call('PUBLISH', channel, message), offset, epoch, 0 }
