-- Giving an entry its place in a log.

-- Whoever waits longest in this partition is swept first: since when its first open entry is there.
local function waits(log)
  local first = redis.call('ZRANGE', P .. ':f:' .. log.id, 0, 0)[1]
  if first then
    redis.call('ZADD', P .. ':pend', string.match(first, ':(%d+)$'), log.id)
  end
  return first
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
    log.bytes = log.bytes - tonumber(fields.z or 0)
    log.first_at = tonumber(fields_of(oldest[2]).t)
    redis.call('XDEL', stream, id)
    redis.call('HDEL', P .. ':b:' .. log.id, int(log.trimmed))
  until not too_much()
  redis.call('ZREMRANGEBYSCORE', P .. ':f:' .. log.id, '-inf', log.trimmed)
  waits(log)
end

-- Appends an entry, which is open. `more` are further fields of it. The log's head is kept by `keep`.
local function push(log, moment, sender, client_id, kind, more, body)
  local generation = generation()
  local prev, at = log.head, math.max(moment, log.at)
  local seq = number_after(prev, log.generation, generation)
  local window = math.floor(at / LIMITS.dedupe_window)
  log.head, log.at, log.generation = seq, at, math.max(generation, log.generation)
  log.count = log.count + (kind == 'message' and 1 or 0)
  log.entries = log.entries + 1
  if log.entries == 1 then
    log.first_at = at
  end

  local entry = { 'k', kind, 'p', int(prev), 'm', int(log.count), 't', int(at), 'u', sender }
  local function field(name, value)
    entry[#entry + 1] = name
    entry[#entry + 1] = value
  end
  if client_id then
    field('x', client_id)
    local ids = P .. ':d:' .. log.id .. ':' .. int(window)
    redis.call('HSET', ids, sender .. '\0' .. client_id, int(seq))
    if redis.call('HLEN', ids) == 1 then
      redis.call('PEXPIRE', ids, 3 * LIMITS.dedupe_window)
    end
  end
  if body and #body > 0 then
    field('z', #body)
    log.bytes = log.bytes + #body
  end
  for i = 1, #more, 2 do
    field(more[i], more[i + 1])
  end
  redis.call('XADD', P .. ':l:' .. log.id, int(seq) .. '-0', unpack(entry))
  redis.call('ZADD', P .. ':f:' .. log.id, int(seq), int(seq) .. ':' .. int(at))
  redis.call('ZADD', P .. ':pend', 'NX', int(at), log.id)
  trim(log)
  return { seq = seq, at = at, prev = prev, count = log.count }
end

local function keep(log)
  local fields = { 's', int(log.head), 'at', int(log.at), 'c', int(log.count), 'g', int(log.generation), 'n', int(log.entries),
    'by', int(log.bytes), 'ft', int(log.first_at) }
  local function field(name, number)
    if number and number > 0 then
      fields[#fields + 1] = name
      fields[#fields + 1] = int(number)
    end
  end
  field('tl', log.trimmed)
  field('mv', log.version)
  field('sw', log.switched)
  redis.call('HSET', P .. ':m:' .. log.id, unpack(fields))
end

-- What a text is to read as, if it is still there: the entry that changes it may have been the one too many.
local function rewrite(log, seq, text)
  if seq > log.trimmed then
    redis.call('HSET', P .. ':b:' .. log.id, int(seq), text)
  end
end
