-- What the store knows of scopes and calls. All of it is read at once, changed here, and written when the batch is decided: one that
-- fails on its way has written nothing. KEYS: the leases, the mark, then scopes and calls; then, from KEYS[MINUTES + 1], minutes.

-- Figures of a window; the first of two halves where there are two.
local MONEY, HELD, TOKENS, TOKENS_HELD, REQUESTS, OVERSHOOT, ATTEMPTS, RUNNING = 1, 3, 5, 6, 7, 8, 10, 11
-- Where a scope's keys stand among those of an operation.
local REQUEST_MINUTE, TOKEN_MINUTE, KEYS_OF_SCOPE = 2, 3, 3

local LEASES, MINUTES, OWNER = KEYS[1], tonumber(ARGV[2]), ARGV[3]

-- While a slot is being moved, its new node takes no command of several keys where one of them does not exist: then one by one.
local function get_each(first, last)
  if not ONE_BY_ONE then return redis.call('MGET', unpack(KEYS, first, last)) end
  local found = {}
  for place = first, last do found[#found + 1] = redis.call('GET', KEYS[place]) end
  return found
end

local function set_each(sets)
  if not ONE_BY_ONE then
    redis.call('MSET', unpack(sets))
  else
    for place = 1, #sets, 2 do redis.call('SET', sets[place], sets[place + 1]) end
  end
end

local written = get_each(2, MINUTES)
if not written[1] then return 'EMPTY' end

local clock = redis.call('TIME')
local now_ms = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- ---- scopes: windows by label, `2026-11-21`, `2026-11`, and '' for the total -------------------------------------------

local known_scopes, changed_scopes = {}, {}

local function scope_at(key)
  local scope = known_scopes[key]
  if not scope then
    local text = written[key - 1]
    scope = text and cmsgpack.unpack(text) or {}
    known_scopes[key] = scope
  end
  return scope
end

-- Days and months since some day; only their distances count.
local function number_of(label)
  local year, month, day = tonumber(string.sub(label, 1, 4)), tonumber(string.sub(label, 6, 7)), string.sub(label, 9, 10)
  if day == '' then return year * 12 + month end
  if month < 3 then year, month = year - 1, month + 12 end
  return year * 365 + math.floor(year / 4) - math.floor(year / 100) + math.floor(year / 400)
    + math.floor((153 * (month - 3) + 2) / 5) + tonumber(day)
end

-- Windows that nothing is held in, and that are too far from one that begins to come back, are forgotten.
local function forget_far(scope, label)
  local around = #label == #'2026-11-21' and settings.days_around or settings.months_around
  local number = number_of(label)
  for other, figures in pairs(scope) do
    if #other == #label and figures[HELD] == 0 and figures[HELD + 1] == 0 and figures[TOKENS_HELD] == 0
      and math.abs(number_of(other) - number) > around then
      scope[other] = nil
    end
  end
end

local NO_FIGURES = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

-- To be read only.
local function window(key, label)
  return scope_at(key)[label] or NO_FIGURES
end

local function window_to_change(key, label)
  local scope = scope_at(key)
  local figures = scope[label]
  if not figures then
    if label ~= '' then forget_far(scope, label) end
    figures = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
    scope[label] = figures
  end
  changed_scopes[key] = scope
  return figures
end

-- ---- calls: what runs, what is held, what is settled -------------------------------------------------------------------

-- `run` the scopes in which the call counts as running, `hold` what is held for it, `settled` whether its cost is known, or what was
-- put down for it when its lease ran out. A call that is over is remembered as '1'; one whose reservation was given up as VOID: should
-- that reservation still arrive it holds nothing, while a settlement counts as that of any call that was not held here. `owner` is the
-- process that began it. What was put down stays among the leases, far in the future, until its settlement is known.
local VOID = '0'
local calls, changed_calls = {}, {}

local function call_of(key)
  local call = calls[key]
  if not call then
    local text = written[key - 1]
    if text == '1' or text == VOID then
      call = { run = false, hold = false, settled = text == '1' or VOID }
    elseif text then
      local parts = cmsgpack.unpack(text)
      call = { run = parts[1], hold = parts[2], settled = parts[3], owner = parts[4] }
    else
      call = { run = false, hold = false, settled = false }
    end
    calls[key] = call
  end
  return call
end

-- To be said after any change of a call; `begins` gives it a new lease.
local function changed(key, call, id, begins)
  changed_calls[key] = call
  call.id = id
  call.begins = begins or call.begins
  if begins then call.owner = OWNER end
end

local function write_records()
  local sets, deadline, begun, over, gone = {}, now_ms + settings.lease_ms, {}, {}, {}
  for key, scope in pairs(changed_scopes) do
    sets[#sets + 1] = KEYS[key]
    sets[#sets + 1] = cmsgpack.pack(scope)
  end
  for key, call in pairs(changed_calls) do
    if call.run or call.hold then
      sets[#sets + 1] = KEYS[key]
      sets[#sets + 1] = cmsgpack.pack({ call.run, call.hold, call.settled, call.owner })
      if call.begins then
        begun[#begun + 1] = deadline
        begun[#begun + 1] = call.id
      end
    elseif type(call.settled) == 'table' then
      redis.call('SET', KEYS[key], cmsgpack.pack({ false, false, call.settled, call.owner }), 'PX', settings.put_down_ms)
      begun[#begun + 1] = now_ms + settings.put_down_ms
      begun[#begun + 1] = call.id
    else
      if call.settled then
        redis.call('SET', KEYS[key], call.settled == true and '1' or call.settled, 'PX', settings.settled_ms)
      else
        gone[#gone + 1] = KEYS[key]
      end
      over[#over + 1] = call.id
    end
  end
  if #sets > 0 then set_each(sets) end
  for _, key in ipairs(gone) do redis.call('DEL', key) end
  if #begun > 0 then redis.call('ZADD', LEASES, unpack(begun)) end
  if #over > 0 then redis.call('ZREM', LEASES, unpack(over)) end
end
