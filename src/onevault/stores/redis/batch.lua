-- The way of a batch. ARGV[1]: operations { name, key of the call, keys of the scopes (as places in KEYS), given }; ARGV[2]: after which
-- place the keys of minutes begin. Answers { calls whose lease has run out, one answer per operation }, or EMPTY for a store that has
-- lost its data.

local answers = {}
for number, operation in ipairs(cmsgpack.unpack(ARGV[1])) do
  answers[number] = operations[operation[1]](operation[2], operation[3], operation[4])
end
local expired = redis.call('ZRANGEBYSCORE', LEASES, '-inf', now_ms, 'LIMIT', 0, settings.expired_at_once)
write_records()
write_minutes()
return cmsgpack.pack({ expired, answers })
