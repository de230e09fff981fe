-- How many to give of what is asked for.
local function page(limit)
  return math.min(math.max(tonumber(limit), 1), math.max(LIMITS.page_entries, 1))
end

