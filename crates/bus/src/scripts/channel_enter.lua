-- NARU.CHANNEL.ENTER server epoch channel client user info: `server \0 epoch \0 user \0 info` of each client that is present, of runs
-- that may be over.
local said = argument(1) .. '\0' .. argument(2) .. '\0' .. argument(5) .. '\0' .. argument(6)
redis.call('HSET', P .. ':cp:' .. argument(3), argument(4), said)
-- Whoever is still present says so every hour.
redis.call('PEXPIRE', P .. ':cp:' .. argument(3), 10800000)
return redis.status_reply('OK')
