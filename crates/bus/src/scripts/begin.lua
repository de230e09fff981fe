-- Every script begins with this. KEYS[1] is the partition, which all keys begin with (a delivery may have several); ARGV[1] the generation, ARGV[2] an epoch
-- for a partition that has none, ARGV[3] the moment, or nothing. LIMITS stands above.
local P = KEYS[1]
local ARGUMENTS = 3

local function argument(i)
  return ARGV[ARGUMENTS + i]
end

-- Numbers have up to 16 digits, of which Lua's own conversion keeps 14, and Redis's is slow.
local function int(number)
  return string.format('%d', number)
end

local JUMP = 1048576

-- The generation of what is written now: never an older one than the partition has seen.
local seen_generation

local function generation()
  if not seen_generation then
    local given = tonumber(ARGV[1])
    seen_generation = tonumber(redis.call('HGET', P .. ':gen', 'n') or 0)
    if given > seen_generation then
      redis.call('HSET', P .. ':gen', 'n', given)
      seen_generation = given
    end
  end
  return seen_generation
end

-- The number after `last`, which was given in the generation `of`.
local function number_after(last, of, generation)
  return last + 1 + JUMP * math.max(generation - of, 0)
end

