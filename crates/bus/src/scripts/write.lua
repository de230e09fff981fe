-- Giving an entry its place in a log.

-- Whoever waits longest in this partition is swept first: since when its first open entry is there, whose number this returns.
local function waits(log)
  local first = redis.call('ZRANGE', P .. ':f:' .. log.id, 0, 0)[1]
  if first then
    local seq, at = string.match(first, '^(%d+):(%d+)$')
    redis.call('ZADD', P .. ':pend', at, log.id)
    return tonumber(seq)
  end
end

-- Removes the oldest entries while there are too many, they are too large or too old; never the newest.
local function trim(log)
  local function too_much()
    return log.entries > 1 and (log.entries > LIMITS.log_entries or log.bytes > LIMITS.log_bytes
      or log.at - log.first_at > LIMITS.log_age)
  end
  if not too_much() then
    return
  end
  local stream = P .. ':l:' .. log.id
  repeat
    local oldest = redis.call('XRANGE', stream, '-', '+', 'COUNT', 2)
    local id, fields = oldest[1][1], fields_of(oldest[1])
    log.trimmed = tonumber(string.match(id, '^%d+'))
    log.entries = log.entries - 1
    log.bytes = log.bytes - tonumber(fields.z)
    log.first_at = tonumber(fields_of(oldest[2]).t)
    redis.call('XDEL', stream, id)
    redis.call('HDEL', P .. ':b:' .. log.id, int(log.trimmed))
  until not too_much()
  redis.call('ZREMRANGEBYSCORE', P .. ':f:' .. log.id, '-inf', log.trimmed)
  if log.version > 0 then
    redis.call('ZREMRANGEBYSCORE', P .. ':t:' .. log.id, '-inf', log.trimmed)
  end
  waits(log)
end

-- Appends an entry, which is open. `more` are further fields of it. The log's head is kept by `keep`.
local function push(log, moment, sender, client_id, kind, more, body)
  local generation = generation()
  local prev, at = log.head, math.max(moment, log.at)
  local seq = number_after(prev, log.generation, generation)
  local spelled = int(seq)
  local window = window_of(at)
  if prev == 0 or window_of(log.at) < window then
    log.earlier_at = log.at
  end
  log.head, log.at, log.generation = seq, at, math.max(generation, log.generation)
  log.count = log.count + (kind == 'message' and 1 or 0)
  log.entries = log.entries + 1
  if log.entries == 1 then
    log.first_at = at
  end

  local bytes = body and #body or 0
  log.bytes = log.bytes + bytes
  local entry = { 'e', string.format('%s %d %d %d %d %s', kind, prev, log.count, at, bytes, sender) }
  local function field(name, value)
    entry[#entry + 1] = name
    entry[#entry + 1] = value
  end
  if client_id then
    field('x', client_id)
    local ids = P .. ':d:' .. log.id .. ':' .. int(window)
    redis.call('HSET', ids, sender .. '\0' .. client_id, spelled)
    if redis.call('HLEN', ids) == 1 then
      redis.call('PEXPIRE', ids, 3 * LIMITS.dedupe_window)
    end
  end
  for i = 1, #more, 2 do
    field(more[i], more[i + 1])
  end
  redis.call('XADD', P .. ':l:' .. log.id, spelled .. '-0', unpack(entry))
  redis.call('ZADD', P .. ':f:' .. log.id, spelled, spelled .. ':' .. int(at))
  redis.call('ZADD', P .. ':pend', 'NX', int(at), log.id)
  trim(log)
  return { seq = seq, at = at, prev = prev, count = log.count, entry = entry }
end

-- Keeps how the log stands, and what an entry reads as, if it is still there: the one that changes it may have been the one
-- too many.
local function keep(log, seq, text)
  local texts = P .. ':b:' .. log.id
  if seq and seq > log.trimmed then
    redis.call('HSET', texts, STANDS, spelled(log), int(seq), text)
  else
    redis.call('HSET', texts, STANDS, spelled(log))
  end
end
