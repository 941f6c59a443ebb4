-- The last 60 seconds of a scope: the moment of each attempt, and the tokens spoken for in slices of a tenth of a second.
-- Time is the records' own and never goes back, but for a clock that was set back by more than CLOCK_STEP, which takes all with it.

local MINUTE_S, SLICE_NS, CLOCK_STEP_NS = 60, 100000000, 120 * BILLION
-- How long a minute that nobody writes to is kept, and how many moments one command takes.
local MINUTE_LIFE_MS, AT_ONCE = 180000, 1000

-- ---- attempts: a list of moments in nanoseconds, the oldest first -----------------------------------------------------

local attempt_minutes = {}

local function attempts_of(key)
  local minute = attempt_minutes[key]
  if not minute then
    local name = KEYS[MINUTES + key]
    minute = { name = name, stored = redis.call('LLEN', name), gone = 0, added = {}, moved = false }
    attempt_minutes[key] = minute
  end
  return minute
end

local function attempts_count(minute)
  return minute.stored - minute.gone + #minute.added
end

-- The attempt at a place, 0 for the oldest.
local function attempt_at(minute, place)
  local inside = minute.stored - minute.gone
  if place >= inside then
    local moment = minute.added[place - inside + 1]
    return moment[1], moment[2]
  end
  local text = redis.call('LINDEX', minute.name, minute.gone + place)
  return tonumber(string.sub(text, 1, -10)), tonumber(string.sub(text, -9))
end

local function set_attempts_back(minute, back_s, back_ns)
  local moments = {}
  for place = 0, attempts_count(minute) - 1 do
    local s, ns = attempt_at(minute, place)
    s, ns = normal(s - back_s, ns - back_ns)
    moments[#moments + 1] = { s, ns }
  end
  minute.stored, minute.gone, minute.added, minute.moved = 0, 0, moments, true
end

-- Lets go of what is older than a minute; returns the time that counts.
local function advance_attempts(minute, s, ns)
  if attempts_count(minute) == 0 then return s, ns end
  local newest_s, newest_ns = attempt_at(minute, attempts_count(minute) - 1)
  local ahead_ns = between_ns(s, ns, newest_s, newest_ns)
  if ahead_ns > CLOCK_STEP_NS then
    local back_s, back_ns = normal(newest_s - s, newest_ns - ns)
    set_attempts_back(minute, back_s, back_ns)
  elseif ahead_ns > 0 then
    s, ns = newest_s, newest_ns
  end
  while attempts_count(minute) > 0 do
    local oldest_s, oldest_ns = attempt_at(minute, 0)
    if between_ns(oldest_s + MINUTE_S, oldest_ns, s, ns) < 0 then break end
    if minute.gone < minute.stored then
      minute.gone = minute.gone + 1
    else
      table.remove(minute.added, 1)
    end
  end
  return s, ns
end

local function write_attempts(minute)
  if minute.moved then
    redis.call('DEL', minute.name)
  elseif minute.gone > 0 then
    redis.call('LPOP', minute.name, minute.gone)
  end
  if #minute.added > 0 then
    local moments = {}
    for place, moment in ipairs(minute.added) do
      moments[#moments + 1] = string.format('%.0f%09.0f', moment[1], moment[2])
      if #moments == AT_ONCE or place == #minute.added then
        redis.call('RPUSH', minute.name, unpack(moments))
        moments = {}
      end
    end
    redis.call('PEXPIRE', minute.name, MINUTE_LIFE_MS)
  end
end

-- ---- tokens: a hash of slices by number { first, last (two halves each), tokens }, and their sum ----------------------
-- Numbers begin with the time in milliseconds, so that those of a minute that was forgotten are not given out again.

local token_minutes = {}

local function tokens_of(key)
  local minute = token_minutes[key]
  if not minute then
    local name = KEYS[MINUTES + key]
    local known = redis.call('HMGET', name, 'sum', 'oldest', 'newest')
    minute = {
      name = name,
      sum = tonumber(known[1] or 0),
      oldest = tonumber(known[2] or now_ms + 1),
      newest = tonumber(known[3] or now_ms),
      slices = {},
      written = {},
      left = {},
      is_changed = false,
    }
    token_minutes[key] = minute
  end
  return minute
end

local function slice(minute, number)
  local found = minute.slices[number]
  if not found then
    found = cmsgpack.unpack(redis.call('HGET', minute.name, number))
    minute.slices[number] = found
  end
  return found
end

local function slice_changed(minute, number)
  minute.written[number] = true
  minute.is_changed = true
end

-- Lets go of slices whose last call is older than a minute; returns the time that counts.
local function advance_tokens(minute, s, ns)
  if minute.oldest > minute.newest then return s, ns end
  local newest = slice(minute, minute.newest)
  local ahead_ns = between_ns(s, ns, newest[3], newest[4])
  if ahead_ns > CLOCK_STEP_NS then
    local back_s, back_ns = normal(newest[3] - s, newest[4] - ns)
    for number = minute.oldest, minute.newest do
      local piece = slice(minute, number)
      add(piece, 1, -back_s, -back_ns)
      add(piece, 3, -back_s, -back_ns)
      slice_changed(minute, number)
    end
  elseif ahead_ns > 0 then
    s, ns = newest[3], newest[4]
  end
  while minute.oldest <= minute.newest do
    local piece = slice(minute, minute.oldest)
    if between_ns(piece[3] + MINUTE_S, piece[4], s, ns) < 0 then break end
    minute.sum = minute.sum - piece[5]
    minute.written[minute.oldest] = nil
    minute.left[#minute.left + 1] = minute.oldest
    minute.oldest = minute.oldest + 1
    minute.is_changed = true
  end
  return s, ns
end

-- Counts tokens at a time that `advance_tokens` returned; returns the number of their slice.
local function count_tokens(minute, tokens, s, ns)
  local number = minute.newest
  local piece = minute.oldest <= number and slice(minute, number)
  if piece and between_ns(piece[1], piece[2], s, ns) < SLICE_NS then
    piece[3], piece[4] = s, ns
  else
    number = number + 1
    piece = { s, ns, s, ns, 0 }
    minute.newest, minute.slices[number] = number, piece
  end
  piece[5] = piece[5] + tokens
  minute.sum = minute.sum + tokens
  slice_changed(minute, number)
  return number
end

-- Without effect where the slice has left the minute, or the minute was forgotten.
local function change_tokens(minute, number, tokens)
  if tokens ~= 0 and number >= minute.oldest and number <= minute.newest then
    local piece = slice(minute, number)
    piece[5] = piece[5] + tokens
    minute.sum = minute.sum + tokens
    slice_changed(minute, number)
  end
end

-- Nanoseconds until so many tokens fit, as things stand; -1 if they never do.
local function tokens_fit_in_ns(minute, tokens, maximum, s, ns)
  local excess = minute.sum + tokens - maximum
  if tokens > maximum then return -1 end
  for number = minute.oldest, minute.newest do
    local piece = slice(minute, number)
    excess = excess - piece[5]
    if excess <= 0 then return between_ns(s, ns, piece[3] + MINUTE_S, piece[4]) end
  end
  return -1
end

local function write_tokens(minute)
  if not minute.is_changed then return end
  local changes = { 'sum', minute.sum, 'oldest', minute.oldest, 'newest', minute.newest }
  for number in pairs(minute.written) do
    changes[#changes + 1] = number
    changes[#changes + 1] = cmsgpack.pack(minute.slices[number])
  end
  redis.call('HSET', minute.name, unpack(changes))
  for _, number in ipairs(minute.left) do redis.call('HDEL', minute.name, number) end
  redis.call('PEXPIRE', minute.name, MINUTE_LIFE_MS)
end

local function write_minutes()
  for _, minute in pairs(attempt_minutes) do write_attempts(minute) end
  for _, minute in pairs(token_minutes) do write_tokens(minute) end
end
