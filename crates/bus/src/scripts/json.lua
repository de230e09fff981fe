-- A name as JSON; it has no control characters.
local function quoted(text)
  return '"' .. string.gsub(text, '[\\"]', '\\%0') .. '"'
end
