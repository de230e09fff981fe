-- NARU.CHANNEL.REMOVE channel
redis.call('DEL', P .. ':ck:' .. argument(1))
return redis.status_reply('OK')
