-- The generation that a master's numbers are of, by its replication id, and whether it is new: one more for each that is met.
-- KEYS[1] is where the ids are kept; ARGV[1] the id.
local is_new = redis.call('HSETNX', KEYS[1], ARGV[1], 0)
if is_new == 1 then
  redis.call('HSET', KEYS[1], ARGV[1], redis.call('HLEN', KEYS[1]))
end
return { tonumber(redis.call('HGET', KEYS[1], ARGV[1])), is_new }
