-- NARU.DONE conversation seq
local seq = tonumber(argument(2))
local log = log_of(argument(1))
if log.head == 0 or seq > log.head then
  return redis.error_reply(NO_SUCH_MESSAGE)
end
redis.call('ZREMRANGEBYSCORE', P .. ':f:' .. log.id, seq, seq)
if log.version > 0 then
  redis.call('ZREMRANGEBYSCORE', P .. ':t:' .. log.id, seq, seq)
end
local first = waits(log)
if first then
  return first - 1
end
redis.call('ZREM', P .. ':pend', log.id)
redis.call('HDEL', P .. ':lease', log.id)
return log.head
