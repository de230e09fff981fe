-- The epoch of the run of a server that may be believed, empty if none may: server
local till, epoch = string.match(redis.call('GET', P .. ':sv:' .. argument(1)) or '', '^(%d+) (.*)$')
return till and tonumber(till) > now() and epoch or ''
