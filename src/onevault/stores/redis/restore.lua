-- Fills a store that is new or has lost its data. KEYS[1]: the mark of a filled store; KEYS[2]: who is filling it; then scopes.
-- ARGV: who asks, how long (ms) it may stay silent, 1 if these are the last scopes, the standing to be kept, and each scope's
-- figures by label. Answers FILLED (nothing done: it has been), BUSY (another one is at it), MORE or DONE.

if redis.call('EXISTS', KEYS[1]) == 1 then return 'FILLED' end
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[1] then return 'BUSY' end
for place, windows in ipairs(cmsgpack.unpack(ARGV[5])) do
  redis.call('SET', KEYS[place + 2], cmsgpack.pack(windows))
end
if ARGV[3] == '1' then
  redis.call('SET', KEYS[1], '=' .. ARGV[4])
  redis.call('DEL', KEYS[2])
  return 'DONE'
end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return 'MORE'
