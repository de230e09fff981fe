-- The generation that a master's numbers are of, by its replication id, and whether it is new. KEYS[1] is where the ids are kept;
-- ARGV[1] the id. The first is 1. Each that is met later has a higher one than all that are known, and than all that were given
-- and then lost, as with a snapshot: the minutes since 2025-01-01 are more than those, by `Generation::next`.
local MINUTES_BEFORE_2025 = 28928160
local is_new = redis.call('HSETNX', KEYS[1], ARGV[1], 0)
if is_new == 1 then
  local highest = 0
  for _, known in ipairs(redis.call('HVALS', KEYS[1])) do
    highest = math.max(highest, tonumber(known))
  end
  local next = highest + 1
  if highest > 0 then
    next = math.max(next, math.floor(tonumber(redis.call('TIME')[1]) / 60) - MINUTES_BEFORE_2025)
  end
  redis.call('HSET', KEYS[1], ARGV[1], next)
end
return { tonumber(redis.call('HGET', KEYS[1], ARGV[1])), is_new }
