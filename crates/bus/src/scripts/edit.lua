-- NARU.EDIT conversation sender client-id target body [LEVEL l]
local sender, client_id, target, body = argument(2), argument(3), tonumber(argument(4)), argument(5)
local refused = too_large(body)
if refused then
  return refused
end
local moment = now()
local log = log_of(argument(1))
local at_once = answered(log, sender, client_id, moment)
if at_once then
  return at_once
end
local by = said(log, target, { message = true })
if not by then
  return redis.error_reply(NO_SUCH_MESSAGE)
elseif by ~= sender then
  return redis.error_reply(NOT_ALLOWED)
end
local written = push(log, moment, sender, client_id, 'edit', { 'tg', target }, body)
local text = 'E' .. int(written.seq) .. ':' .. body
keep(log, target, text)
if log.switched then
  speaking()(log, written, text)
end
return answer(log, written, 0, mode(log))
