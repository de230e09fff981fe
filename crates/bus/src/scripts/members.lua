-- NARU.MEMBERS conversation after limit
local log, after, limit = log_of(argument(1)), argument(2), page(argument(3))
local names = {}
local first, second = pair(log.id)
if first then
  for _, name in ipairs(first == second and { first } or { first, second }) do
    name = unescaped(name)
    if after == '' or less(after, name) then
      names[#names + 1] = name
    end
  end
else
  names = redis.call('ZRANGE', P .. ':mo:' .. log.id, after == '' and '-' or '(' .. after, '+', 'BYLEX', 'LIMIT', 0, limit + 1)
end
local members = {}
for i = 1, math.min(limit, #names) do
  local role, since = role_of(log, names[i])
  local read = tonumber(redis.call('HGET', P .. ':rd:' .. log.id, names[i]) or 0)
  members[i] = { names[i], role, since, read }
end
return { log.version, mode(log), #names > limit and 1 or 0, members }
