-- NARU.CONVERSATIONS user before limit
local user, before, limit = argument(1), argument(2), page(argument(3))
before = before == '0' and '+inf' or '(' .. before
local ids = redis.call('ZRANGE', P .. ':zx:' .. user, before, '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, limit + 1)
local rows = {}
for i = 1, math.min(limit, #ids) do
  rows[i] = row(ids[i], record_of(record_at(user, ids[i])), 0)
end
return { #ids > limit and 1 or 0, rows }
