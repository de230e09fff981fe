-- Whether a server may be believed to run: server
local told = redis.call('GET', P .. ':sv:' .. argument(1))
return told and tonumber(string.match(told, '^%d+')) > now() and 1 or 0
