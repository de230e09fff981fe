-- NARU.HISTORY conversation user BEFORE|AFTER seq limit [bytes]
local log = log_of(argument(1))
local reader, is_after, seq = argument(2), argument(3) == 'AFTER', argument(4)
if reader ~= '' and not role_of(log, reader) then
  return redis.error_reply(NOT_A_MEMBER)
end
local limit = page(argument(5))
local bytes_max = math.min(tonumber(argument(6) or LIMITS.page_bytes), LIMITS.page_bytes)
local stream = P .. ':l:' .. log.id
local CHUNK = 16

local function fetch(from, count)
  if is_after then
    return redis.call('XRANGE', stream, from, '+', 'COUNT', count)
  end
  return redis.call('XREVRANGE', stream, from, '-', 'COUNT', count)
end

local from = '(' .. seq .. '-0'
if not is_after and seq == '0' then
  from = '+'
end
local entries, size, more = {}, 0, false
repeat
  local count = math.min(limit + 1 - #entries, CHUNK)
  local chunk = listed(fetch(from, count))
  local texts = texts_of(log, chunk)
  for i, entry in ipairs(chunk) do
    local json, bytes = entry_json(log, entry.seq, entry.fields, texts[i])
    size = size + bytes
    if #entries == limit or (size > bytes_max and #entries > 0) then
      more = true
      break
    end
    entries[#entries + 1] = json
    from = '(' .. entry.seq .. '-0'
  end
until more or #chunk < count
if not is_after then
  for i = 1, math.floor(#entries / 2) do
    entries[i], entries[#entries + 1 - i] = entries[#entries + 1 - i], entries[i]
  end
end
return { log.trimmed, log.head, more and 1 or 0, entries }
