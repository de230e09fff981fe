-- NARU.DELETE conversation sender client-id target [LEVEL l]
local sender, client_id, target = argument(2), argument(3), tonumber(argument(4))
local moment = now()
local log = log_of(argument(1))
local at_once, role = answered(log, sender, client_id, moment)
if at_once then
  return at_once
end
local by = said(log, target, { message = true, reaction = true, system = true })
if not by then
  return redis.error_reply(NO_SUCH_MESSAGE)
elseif by ~= sender and role ~= 'owner' and role ~= 'moderator' then
  return redis.error_reply(NOT_ALLOWED)
end
local written = push(log, moment, sender, client_id, 'delete', { 'tg', target })
keep(log, target, 'D' .. int(written.seq))
if log.switched then
  speaking()(log, written)
end
return answer(log, written, 0, mode(log))
