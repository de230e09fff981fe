-- NARU.MARK conversation user seq
local log, user = log_of(argument(1)), argument(2)
if not role_of(log, user) then
  return redis.error_reply(NOT_A_MEMBER)
end
if log.head == 0 or log.switched then
  return 0
end
local marks = P .. ':rd:' .. log.id
local before = tonumber(redis.call('HGET', marks, user) or 0)
local mark = math.min(tonumber(argument(3)), log.head)
if mark <= before then
  return before
end
redis.call('HSET', marks, user, mark)
return mark
