-- What is remembered of a channel, in three keys of its partition: its position, what it keeps (the last of them is the top), and for
-- each key of ONCE the first answer. Between two uses only those it concerns are written.

local channel = argument(1)
local META, KEPT = P .. ':cm:' .. channel, P .. ':ck:' .. channel

-- Notes that the channel is used, which is written down where it would be forgotten too early: an eighth later, so that most uses in a
-- row write nothing. A generation that the channel has not seen, or no position, begins an epoch. Of a channel in which nothing was published, a read is remembered for as long as READ_META_TTL_MAX of the ledger says.
-- Answers offset and epoch.
local function used(ttl, epoch, is_read)
  local now_is = generation()
  local meta = redis.call('HMGET', META, 'e', 't', 'g')
  if not meta[1] or tonumber(meta[3]) < now_is then
    -- For how long the one before was to be remembered is no matter.
    redis.call('DEL', META, KEPT)
    redis.call('HSET', META, 'e', epoch, 't', 0, 'g', now_is)
    meta = { epoch, '0' }
  end
  if is_read and tonumber(meta[2]) == 0 then
    ttl = math.min(ttl, 600000)
  end
  if redis.call('PTTL', META) < ttl then
    redis.call('PEXPIRE', META, int(ttl + math.floor(ttl / 8)))
  end
  return tonumber(meta[2]), meta[1]
end

