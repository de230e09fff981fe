-- NARU.JOIN room user role, NARU.LEAVE room user, NARU.ROLE room user role. CHANGE, which of them, stands above.
local user, to = argument(2), argument(3)
local log = log_of(argument(1))
local role, since = role_of(log, user)
if CHANGE == 'role' and not role then
  return redis.error_reply('NOTFOUND the room has no such member')
end
local is_so = { join = role ~= nil, leave = role == nil, role = role == to }
if is_so[CHANGE] then
  return { log.version, 0, 0, 0, 0, 0, mode(log), 0 }
end

local moment = now()
local written = push(log, moment, user, nil, CHANGE, to and { 'r', to } or {})
local members = P .. ':mem:' .. log.id
if CHANGE == 'leave' then
  redis.call('HDEL', members, user)
  redis.call('ZREM', P .. ':mo:' .. log.id, user)
  redis.call('HDEL', P .. ':rd:' .. log.id, user)
else
  redis.call('HSET', members, user, to .. ' ' .. int(CHANGE == 'join' and written.seq or since))
  redis.call('ZADD', P .. ':mo:' .. log.id, 0, user)
end
log.version = log.version + 1
local switched = 0
if not log.switched and redis.call('HLEN', members) > LIMITS.members then
  switched = push(log, moment, user, nil, 'broadcast', {}).seq
  log.switched = switched
  redis.call('DEL', P .. ':rd:' .. log.id)
end
keep(log)
return { log.version, written.seq, 1, written.at, written.prev, written.count, mode(log), switched }
