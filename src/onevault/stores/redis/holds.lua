-- What is held, as it is at one moment. KEYS: the leases, the mark, then scopes. ARGV: how the keys of calls begin; calls to look for.
-- Answers EMPTY for a store that has lost its data, else { calls: { id, dollars, nanos, tokens, windows and scopes }, of each scope: { label,
-- dollars, nanos, tokens }, of each call that was looked for: 0 not known, 1 known, { dollars, nanos, tokens, windows and scopes } put down as spent }.

if redis.call('EXISTS', KEYS[2]) == 0 then return 'EMPTY' end
local HELD, TOKENS_HELD, AT_ONCE = 3, 6, 1000

local function texts(names)
  local found = {}
  for first = 1, #names, AT_ONCE do
    local some = redis.call('MGET', unpack(names, first, math.min(first + AT_ONCE - 1, #names)))
    for _, text in ipairs(some) do found[#found + 1] = text end
  end
  return found
end

-- What is kept of a call: `run`, `hold` and `settled`, as records.lua has them; a call that is over is one character.
local function unpacked(text)
  return text and #text > 1 and cmsgpack.unpack(text) or { false, false, false }
end

local function texts_of_calls(ids)
  local names = {}
  for place, id in ipairs(ids) do names[place] = ARGV[1] .. id end
  return texts(names)
end

local calls = {}
local ids = redis.call('ZRANGE', KEYS[1], 0, -1)
for place, text in ipairs(texts_of_calls(ids)) do
  local hold = unpacked(text)[2]
  if hold then calls[#calls + 1] = { ids[place], hold[1], hold[2], hold[3], hold[4] } end
end

local scopes = {}
for place, text in ipairs(texts({ unpack(KEYS, 3) })) do
  scopes[place] = {}
  for label, figures in pairs(text and cmsgpack.unpack(text) or {}) do
    table.insert(scopes[place], { label, figures[HELD], figures[HELD + 1], figures[TOKENS_HELD] })
  end
end

local known = {}
for place, text in ipairs(texts_of_calls(cmsgpack.unpack(ARGV[2]))) do
  local put_down = unpacked(text)[3]
  known[place] = type(put_down) == 'table' and put_down or text and 1 or 0
end
return cmsgpack.pack({ calls, scopes, known })
