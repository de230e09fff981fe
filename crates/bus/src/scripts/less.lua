-- What comes first by its bytes; `<` would go by the server's language.
local function less(a, b)
  local i = 1
  while true do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then
      return (x or -1) < (y or -1)
    end
    if not x then
      return false
    end
    i = i + 1
  end
end

