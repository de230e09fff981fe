-- NARU.TRACE conversation seq, or conversation sender client-id
local log = log_of(argument(1))
local seq = tonumber(argument(2))
if argument(3) then
  seq = repeated(log, argument(2), argument(3), now())
end
local json, done = false, 0
local fields = seq and seq > 0 and entry_at(log, seq)
if fields then
  local entries = { { seq = int(seq), fields = fields } }
  json = entry_json(log, int(seq), fields, texts_of(log, entries)[1])
  if redis.call('ZCOUNT', P .. ':f:' .. log.id, seq, seq) == 0 then
    done = 1
  end
end
return { log.head, fanned_out(log), log.trimmed, log.version, mode(log), done, json }
