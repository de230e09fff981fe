-- What appends, edits and deletions have in common.

-- Who said what is there under this number, of one of these kinds and not deleted.
local function said(log, seq, kinds)
  local entry = entry_at(log, seq)
  if not entry or not kinds[entry.k] then
    return nil
  end
  local text = redis.call('HGET', P .. ':b:' .. log.id, int(seq))
  return text and string.sub(text, 1, 1) ~= 'D' and entry.u
end

local function answer(log, written, is_repeat, mode)
  return { written.seq, written.at, written.prev, written.count, is_repeat, log.version, mode, 'memory' }
end

local function too_large(body)
  return #body > LIMITS.body_bytes and redis.error_reply('TOOBIG a body has at most ' .. int(LIMITS.body_bytes)
    .. ' bytes; this one has ' .. int(#body))
end

-- The first answer again, if this is a repeat.
local function again(log, sender, client_id, moment)
  local seq = repeated(log, sender, client_id, moment)
  if not seq then
    return nil
  end
  local entry = entry_at(log, seq)
  local first = { seq = seq, at = 0, prev = 0, count = 0 }
  if entry then
    first.at, first.prev, first.count = tonumber(entry.t), tonumber(entry.p), tonumber(entry.m)
  end
  return answer(log, first, 1, mode_of(log, seq))
end

-- What is to be answered at once, as this is a repeat, or the sender may not write; else none, and the sender's role.
local function answered(log, sender, client_id, moment)
  local first = again(log, sender, client_id, moment)
  if first then
    return first
  end
  local role = role_of(log, sender)
  if not role then
    return redis.error_reply(NOT_A_MEMBER)
  elseif role == 'reader' then
    return redis.error_reply(NOT_ALLOWED)
  end
  return nil, role
end
