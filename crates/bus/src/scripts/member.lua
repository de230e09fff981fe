-- NARU.MAKE room user, NARU.JOIN room user role, NARU.LEAVE room user, NARU.ROLE room user role. CHANGE, which of them, stands
-- above.
local is_made = CHANGE == 'make'
local user, to = argument(2), is_made and 'owner' or argument(3)
local change = is_made and 'join' or CHANGE
local log = log_of(argument(1))
local role, since = role_of(log, user)
local members = P .. ':mem:' .. log.id

-- How many owners there are. A log written by an earlier version does not say so.
local function owners()
  if not log.owners then
    log.owners = 0
    for _, member in ipairs(redis.call('HVALS', members)) do
      log.owners = log.owners + (string.find(member, '^owner ') and 1 or 0)
    end
  end
  return log.owners
end

if change == 'role' and not role then
  return redis.error_reply('NOTFOUND the room has no such member')
end
local is_so = { join = role ~= nil, leave = role == nil, role = role == to }
if is_so[change] then
  return { log.version, 0, 0, 0, 0, 0, mode(log), 0 }
end
if is_made and log.version > 0 then
  return redis.error_reply('EXISTS the room is there already')
end
if role == 'owner' and owners() == 1 and (change == 'role' or redis.call('HLEN', members) > 1) then
  return redis.error_reply('LASTOWNER a room keeps an owner while it has members: make another one its owner first')
end
log.owners = owners() + (to == 'owner' and 1 or 0) - (role == 'owner' and 1 or 0)

local moment = now()
local written = push(log, moment, user, nil, change, to and { 'r', to } or {})
redis.call('ZADD', P .. ':t:' .. log.id, int(written.seq), int(written.seq) .. ':' .. int(written.count) .. ':' .. change .. ':' .. user)
if change == 'leave' then
  redis.call('HDEL', members, user)
  redis.call('ZREM', P .. ':mo:' .. log.id, user)
  redis.call('HDEL', P .. ':rd:' .. log.id, user)
else
  redis.call('HSET', members, user, to .. ' ' .. int(change == 'join' and written.seq or since))
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
if mode_of(log, written.seq) == 'broadcast' then
  speaking()(log, written)
end
return { log.version, written.seq, 1, written.at, written.prev, written.count, mode(log), switched }
