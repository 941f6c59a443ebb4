-- Which calls processes of a place have begun that are gone. KEYS[1]: the leases. ARGV: how the keys of calls begin; the place; who asks,
-- a process of that place itself. Answers their ids.

local AT_ONCE = 1000
local found = {}
local ids = redis.call('ZRANGE', KEYS[1], 0, -1)
for first = 1, #ids, AT_ONCE do
  local names = {}
  for place = first, math.min(first + AT_ONCE - 1, #ids) do names[#names + 1] = ARGV[1] .. ids[place] end
  for place, text in ipairs(redis.call('MGET', unpack(names))) do
    local owner = text and #text > 1 and cmsgpack.unpack(text)[4]
    if owner and owner ~= ARGV[3] and string.sub(owner, 1, #ARGV[2] + 1) == ARGV[2] .. '#' then
      found[#found + 1] = ids[first + place - 1]
    end
  end
end
return cmsgpack.pack(found)
