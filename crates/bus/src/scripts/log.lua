-- One conversation: its head, who takes part, and what its entries say.

local NOT_A_MEMBER = 'FORBIDDEN only those who take part may read or write in a conversation'
local NOT_ALLOWED = "FORBIDDEN the user's role does not allow this"
local NO_SUCH_MESSAGE = 'NOTFOUND the conversation has no such message'

-- How a log stands is kept beside its texts, under a name that no entry has: an append writes both at once. It is what `spelled`
-- says, numbers with a blank between.
local STANDS = ''

local function log_of(id)
  local log = { id = id, head = 0, at = 0, count = 0, generation = 1, trimmed = 0, version = 0, switched = false, entries = 0,
    bytes = 0, first_at = 0, earlier_at = 0, owners = 0 }
  local spelled = redis.call('HGET', P .. ':b:' .. id, STANDS)
  if spelled then
    local head, at, count, generation, trimmed, version, switched, entries, bytes, first_at, earlier_at, owners =
      string.match(spelled, '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) ?(%d*)$')
    log.head, log.at, log.count, log.generation = tonumber(head), tonumber(at), tonumber(count), tonumber(generation)
    log.trimmed, log.version, log.switched = tonumber(trimmed), tonumber(version), switched ~= '0' and tonumber(switched)
    log.entries, log.bytes, log.first_at = tonumber(entries), tonumber(bytes), tonumber(first_at)
    log.earlier_at, log.owners = tonumber(earlier_at), tonumber(owners)
  end
  return log
end

local function spelled(log)
  local spelled = string.format('%d %d %d %d %d %d %d %d %d %d %d', log.head, log.at, log.count, log.generation, log.trimmed, log.version,
    log.switched or 0, log.entries, log.bytes, log.first_at, log.earlier_at)
  return log.version > 0 and log.owners and spelled .. ' ' .. int(log.owners) or spelled
end

local function mode(log)
  return log.switched and 'broadcast' or 'fanout'
end

local function mode_of(log, seq)
  return log.switched and log.switched < seq and 'broadcast' or 'fanout'
end

-- The two of a direct conversation, in byte order, as they are spelled in its id; nil for a room.
local function pair(id)
  return string.match(id, '^dm:([^:]*):([^:]*)$')
end

local function escaped(name)
  if not string.find(name, '[%%:]') then
    return name
  end
  return (string.gsub(string.gsub(name, '%%', '%%25'), ':', '%%3A'))
end

local function unescaped(name)
  return (string.gsub(string.gsub(name, '%%3A', ':'), '%%25', '%%'))
end

-- The user's role, and the entry by which they joined; nil if they take no part.
local function role_of(log, user)
  local first, second = pair(log.id)
  if first then
    local name = escaped(user)
    if name == first or name == second then
      return 'member', 0
    end
    return nil
  end
  local member = redis.call('HGET', P .. ':mem:' .. log.id, user)
  if not member then
    return nil
  end
  local role, since = string.match(member, '^(%a+) (%d+)$')
  return role, tonumber(since)
end

-- What every entry has is one field, `kind prev count time bytes sender`: fewer are written and read sooner.
local function fields_of(entry)
  local fields = {}
  for i = 1, #entry[2], 2 do
    fields[entry[2][i]] = entry[2][i + 1]
  end
  fields.k, fields.p, fields.m, fields.t, fields.z, fields.u = string.match(fields.e, '^(%a+) (%d+) (%d+) (%d+) (%d+) (.*)$')
  return fields
end

-- An entry's fields, if it is there.
local function entry_at(log, seq)
  local id = int(seq) .. '-0'
  local entry = redis.call('XRANGE', P .. ':l:' .. log.id, id, id)[1]
  return entry and fields_of(entry)
end

-- Everything up to here is fanned out.
local function fanned_out(log)
  local first = redis.call('ZRANGE', P .. ':f:' .. log.id, 0, 0, 'WITHSCORES')[2]
  return first and tonumber(first) - 1 or log.head
end

local function window_of(moment)
  return math.floor(moment / LIMITS.dedupe_window)
end

-- The entry that what is called so now would repeat. Of the two windows it may be in, only those are looked at in which anything
-- was said.
local function repeated(log, sender, id, moment)
  local window = window_of(math.max(moment, log.at))
  local last, earlier = window_of(log.at), window_of(log.earlier_at)
  for _, w in ipairs({ window, window - 1 }) do
    if w == last or w == earlier then
      local seq = redis.call('HGET', P .. ':d:' .. log.id .. ':' .. int(w), sender .. '\0' .. id)
      if seq then
        return tonumber(seq)
      end
    end
  end
end
