-- Saying what is written in a room of many on the room's own channel. In the script that writes it, and nowhere else: so it is heard
-- in the order of the log.

-- `text` is what is kept of what the entry says, if it says anything.
local function speak(log, written, text)
  local seq, fields = int(written.seq), fields_of({ written.seq, written.entry })
  local entry = entry_json(log, seq, fields, text)
  local json = '{"conversation":' .. quoted(log.id) .. ',"seq":' .. seq .. ',"kind":"' .. fields.k .. '","to":[]'
  if #entry <= LIMITS.entry_told_bytes then
    json = json .. ',"entry":' .. entry
  end
  redis.call('PUBLISH', 'naru:room:' .. log.id, json .. '}')
end
