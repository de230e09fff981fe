-- NARU.APPEND conversation sender client-id body [KIND k] [TARGET seq] [MENTION n user …] [LEVEL l]
local sender, client_id, body = argument(2), argument(3), argument(4)
local kind, target, mentions, mentioned = 'message', nil, nil, 0
local i = 5
while argument(i) do
  local option = argument(i)
  if option == 'MENTION' then
    mentioned = tonumber(argument(i + 1))
    mentions = table.concat(ARGV, '\0', ARGUMENTS + i + 2, ARGUMENTS + i + 1 + mentioned)
    i = i + 2 + mentioned
  else
    if option == 'KIND' then
      kind = argument(i + 1)
    elseif option == 'TARGET' then
      target = tonumber(argument(i + 1))
    end
    i = i + 2
  end
end

local refused = too_large(body)
if refused then
  return refused
end
if mentioned > LIMITS.mentions then
  return redis.error_reply('TOOBIG a message mentions at most ' .. int(LIMITS.mentions) .. ' users; this one mentions '
    .. int(mentioned))
end
local moment = now()
local log = log_of(argument(1))
local at_once = answered(log, sender, client_id, moment)
if at_once then
  return at_once
end
local more = {}
if target then
  if not said(log, target, { message = true }) then
    return redis.error_reply(NO_SUCH_MESSAGE)
  end
  more = { 'tg', target }
elseif mentions then
  more = { 'mn', mentions }
end
local written = push(log, moment, sender, client_id, kind, more, body)
local text = 'S' .. body
keep(log, written.seq, text)
if log.switched then
  speaking()(log, written, text)
end
return answer(log, written, 0, mode(log))
