-- NARU.SERVER server epoch lease-ms
local key, lease = P .. ':sv:' .. argument(1), tonumber(argument(3))
-- Kept a while longer than it is believed, so that it does not depend on whose clock is right.
redis.call('SET', key, int(now() + lease) .. ' ' .. argument(2), 'PX', lease + 3600000)
return redis.status_reply('OK')
