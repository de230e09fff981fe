-- One conversation: its head, who takes part, and what its entries say.

local NOT_A_MEMBER = 'FORBIDDEN only those who take part may read or write in a conversation'
local NOT_ALLOWED = "FORBIDDEN the user's role does not allow this"
local NO_SUCH_MESSAGE = 'NOTFOUND the conversation has no such message'

local function log_of(id)
  local f = redis.call('HMGET', P .. ':m:' .. id, 's', 'at', 'c', 'g', 'tl', 'mv', 'sw', 'n', 'by', 'ft')
  return {
    id = id,
    head = tonumber(f[1] or 0),
    at = tonumber(f[2] or 0),
    count = tonumber(f[3] or 0),
    generation = tonumber(f[4] or 1),
    trimmed = tonumber(f[5] or 0),
    version = tonumber(f[6] or 0),
    switched = f[7] and tonumber(f[7]),
    entries = tonumber(f[8] or 0),
    bytes = tonumber(f[9] or 0),
    first_at = tonumber(f[10] or 0),
  }
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

local function fields_of(entry)
  local fields = {}
  for i = 1, #entry[2], 2 do
    fields[entry[2][i]] = entry[2][i + 1]
  end
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

-- The entry that what is called so now would repeat.
local function repeated(log, sender, id, moment)
  local window = math.floor(math.max(moment, log.at) / LIMITS.dedupe_window)
  local name = sender .. '\0' .. id
  local seq = redis.call('HGET', P .. ':d:' .. log.id .. ':' .. int(window), name)
    or redis.call('HGET', P .. ':d:' .. log.id .. ':' .. int(window - 1), name)
  return seq and tonumber(seq)
end
