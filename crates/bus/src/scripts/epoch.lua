-- The partition's epoch; that of ARGV if it has none.
local function epoch()
  local known = redis.call('HGET', P .. ':gen', 'ep')
  if not known then
    redis.call('HSET', P .. ':gen', 'ep', ARGV[2])
    return ARGV[2]
  end
  return known
end

