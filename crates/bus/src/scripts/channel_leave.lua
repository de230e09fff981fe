-- NARU.CHANNEL.LEAVE server epoch channel client
local key, run = P .. ':cp:' .. argument(3), argument(1) .. '\0' .. argument(2) .. '\0'
local said = redis.call('HGET', key, argument(4))
if said and string.sub(said, 1, #run) == run then
  redis.call('HDEL', key, argument(4))
end
return redis.status_reply('OK')
