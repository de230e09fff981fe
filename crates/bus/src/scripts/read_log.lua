-- Entries as they read now.

-- Under which number what an entry says is kept, if it says anything.
local function text_seq(seq, fields)
  if fields.k == 'edit' then
    return fields.tg
  elseif fields.k == 'message' or fields.k == 'reaction' or fields.k == 'system' then
    return seq
  end
end

-- What a stored text reads as: the body, and by which entry it is not as it was said.
local function reads(text)
  local how = string.sub(text, 1, 1)
  if how == 'S' then
    return string.sub(text, 2), nil
  elseif how == 'E' then
    local by, rest = string.match(text, '^E(%d+):()')
    return string.sub(text, rest), by
  end
  return nil, string.sub(text, 2)
end

-- The entry's JSON and its bytes, by its fields and the text kept for it.
local function entry_json(log, seq, fields, text)
  local parts = { '{"conversation":', quoted(log.id), ',"seq":', seq, ',"prev":', fields.p, ',"count":', fields.m,
    ',"kind":"', fields.k, '","from":', quoted(fields.u) }
  local bytes = #fields.u
  local function add(name, value)
    parts[#parts + 1] = ',"' .. name .. '":' .. value
  end
  if fields.x then
    add('id', quoted(fields.x))
    bytes = bytes + #fields.x
  end
  add('at', fields.t)
  if fields.tg then
    add('target', fields.tg)
  end
  if fields.r then
    add('role', quoted(fields.r))
  end
  if fields.mn then
    local mentions = {}
    for user in string.gmatch(fields.mn, '[^%z]+') do
      mentions[#mentions + 1] = quoted(user)
      bytes = bytes + #user
    end
    add('mentions', '[' .. table.concat(mentions, ',') .. ']')
  end
  if text then
    local body, by = reads(text)
    if by and fields.k ~= 'edit' then
      add('changed', by)
    end
    if body then
      add('body', body)
      bytes = bytes + #body
    end
  end
  parts[#parts + 1] = '}'
  return table.concat(parts), bytes
end

-- What is kept for each of these entries, by their place in the list; false where there is nothing.
local function texts_of(log, entries)
  local seqs, places, texts = {}, {}, {}
  for i, entry in ipairs(entries) do
    local seq = text_seq(entry.seq, entry.fields)
    texts[i] = false
    if seq then
      seqs[#seqs + 1] = seq
      places[#places + 1] = i
    end
  end
  if #seqs > 0 then
    for i, text in ipairs(redis.call('HMGET', P .. ':b:' .. log.id, unpack(seqs))) do
      texts[places[i]] = text
    end
  end
  return texts
end

local function listed(entries)
  local list = {}
  for i, entry in ipairs(entries) do
    list[i] = { seq = string.match(entry[1], '^%d+'), fields = fields_of(entry) }
  end
  return list
end
