-- Money and tokens: holds, settlements, and what becomes of holds whose lease has run out.

local PER_WINDOW_MONEY, PER_WINDOW_TOKENS, PER_MINUTE_TOKENS = 1, 2, 3

-- A limit is { kind, scope, window or 0 for one call, maximum in two halves (of tokens the first) }.
local function leaves_room(figures, limit, high, low, tokens)
  local kind, max_high, max_low = limit[1], limit[4], limit[5]
  if kind == PER_WINDOW_TOKENS then
    return tokens == 0 or (figures and figures[TOKENS] + figures[TOKENS_HELD] or 0) + tokens <= max_high
  end
  if high == 0 and low == 0 then return true end
  if figures then
    high = high + figures[MONEY] + figures[HELD]
    low = low + figures[MONEY + 1] + figures[HELD + 1]
  end
  return not is_more(high, low, max_high, max_low)
end

-- The window that a limit counts in; false for the limit of one call.
local function figures_of(limit, scopes, day, month)
  local which = limit[3]
  if which == 0 then return false end
  return window(scopes[limit[2] * KEYS_OF_SCOPE + 1], which == 1 and day or which == 2 and month or '')
end

-- What all limits of money together afford now for a call that is held for so much; below nothing where they were lowered.
local function money_left(limits, scopes, day, month, held_high, held_low)
  local least_high, least_low
  for _, limit in ipairs(limits) do
    if limit[1] == PER_WINDOW_MONEY then
      local high, low = limit[4], limit[5]
      local figures = figures_of(limit, scopes, day, month)
      if figures then
        high, low = normal(high - figures[MONEY], low - figures[MONEY + 1])
        high, low = normal(high - figures[HELD], low - figures[HELD + 1])
        high, low = normal(high + held_high, low + held_low)
      end
      if not least_high or is_more(least_high, least_low, high, low) then least_high, least_low = high, low end
    end
  end
  return least_high, least_low
end

-- { maximum, remaining, nanoseconds until the oldest tokens leave }. A settlement that comes late is no clock that was set back.
local function standing_of_tokens(key, maximum, s, ns)
  local minute, reset_ns = tokens_of(key), 0
  if minute.oldest <= minute.newest then
    local newest = slice(minute, minute.newest)
    if between_ns(s, ns, newest[3], newest[4]) > CLOCK_STEP_NS then
      s, ns = newest[3], newest[4]
    else
      s, ns = advance_tokens(minute, s, ns)
    end
  end
  if minute.oldest <= minute.newest then
    local oldest = slice(minute, minute.oldest)
    reset_ns = between_ns(s, ns, oldest[3] + MINUTE_S, oldest[4])
  end
  return { maximum, math.max(0, maximum - minute.sum), reset_ns }
end

-- Where the caller stands in the limits that are told, each { its number, as above }: the number of the one of money with the least
-- left (0: none), what is spent and left in it, the numbers of the tightest of tokens per day and month and what is left of them }, and
-- the tightest of tokens per minute.
local function standing(told, scopes, day, month, s, ns)
  if #told == 0 then return false, false end
  local number, spent_high, spent_low, left_high, left_low = 0, 0, 0, 0, 0
  local tokens, tokens_left, tightest = { 0, 0 }, { 0, 0 }, false
  for _, limit in ipairs(told) do
    local kind, which = limit[2], limit[4]
    local figures = window(scopes[limit[3] * KEYS_OF_SCOPE + 1], which == 1 and day or which == 2 and month or '')
    if kind == PER_MINUTE_TOKENS then
      local found = standing_of_tokens(scopes[limit[3] * KEYS_OF_SCOPE + TOKEN_MINUTE], limit[5], s, ns)
      if not tightest or found[2] < tightest[2] then tightest = found end
    elseif kind == PER_WINDOW_TOKENS then
      local left = limit[5] - figures[TOKENS] - figures[TOKENS_HELD]
      if tokens[which] == 0 or left < tokens_left[which] then tokens[which], tokens_left[which] = limit[1], left end
    elseif kind == PER_WINDOW_MONEY then
      local high, low = normal(limit[5] - figures[MONEY], limit[6] - figures[MONEY + 1])
      high, low = normal(high - figures[HELD], low - figures[HELD + 1])
      if number == 0 or is_more(left_high, left_low, high, low) then
        number, spent_high, spent_low, left_high, left_low = limit[1], figures[MONEY], figures[MONEY + 1], high, low
      end
    else
      spent_high, spent_low = figures[MONEY], figures[MONEY + 1]
    end
  end
  return { number, spent_high, spent_low, left_high, left_low, tokens[1], tokens_left[1], tokens[2], tokens_left[2] }, tightest
end

-- The windows of the first `count` scopes of an operation, to be changed.
local function each_window(scopes, count, day, month, change)
  for place = 1, count * KEYS_OF_SCOPE, KEYS_OF_SCOPE do
    local scope = scopes[place]
    change(window_to_change(scope, day))
    change(window_to_change(scope, month))
    change(window_to_change(scope, ''))
  end
end

local NOTHING = { 0, 0, 0, '', {} }

local function change_slices(slices, scopes, tokens)
  for _, place in ipairs(slices) do
    change_tokens(tokens_of(scopes[place[1] * KEYS_OF_SCOPE + TOKEN_MINUTE]), place[2], tokens)
  end
end

function operations.reserve(key, scopes, given)
  local id, s, ns, high, low, tokens, count, day, month, hold, limits, told = unpack(given)
  local call = call_of(key)
  if call.settled == VOID then return { GIVEN_UP } end
  if call.settled then return { OK, false, standing(told, scopes, day, month, s, ns) } end
  -- Of what is asked, so much is held already: the windows have it in them.
  local held = call.hold or NOTHING
  local more_high, more_low, more_tokens = 0, 0, math.max(0, tokens - held[3])
  if is_more(high, low, held[1], held[2]) then more_high, more_low = normal(high - held[1], low - held[2]) end
  if call.hold and more_high == 0 and more_low == 0 and more_tokens == 0 then
    return { OK, true, standing(told, scopes, day, month, s, ns) }
  end
  local minutes = {}
  for number, limit in ipairs(limits) do
    if limit[1] == PER_MINUTE_TOKENS then
      if tokens ~= 0 then
        local minute = tokens_of(scopes[limit[2] * KEYS_OF_SCOPE + TOKEN_MINUTE])
        local at_s, at_ns = advance_tokens(minute, s, ns)
        if minute.sum + more_tokens > limit[4] then
          local wait_ns = tokens_fit_in_ns(minute, more_tokens, limit[4], at_s, at_ns)
          return { REFUSED, number, wait_ns, standing_of_tokens(scopes[limit[2] * KEYS_OF_SCOPE + TOKEN_MINUTE], limit[4], s, ns) }
        end
        local is_new = true
        for _, other in ipairs(minutes) do is_new = is_new and other[1] ~= minute end
        if is_new then minutes[#minutes + 1] = { minute, at_s, at_ns, limit[2] } end
      end
    else
      local figures = figures_of(limit, scopes, day, month)
      local ask_high, ask_low, ask_tokens = high, low, tokens
      if figures then ask_high, ask_low, ask_tokens = more_high, more_low, more_tokens end
      if not leaves_room(figures, limit, ask_high, ask_low, ask_tokens) then
        figures = figures or NO_FIGURES
        if limit[1] == PER_WINDOW_TOKENS then
          return { REFUSED, number, -1, limit[4] - figures[TOKENS] - figures[TOKENS_HELD] + held[3] }
        end
        local all_high, all_low = money_left(limits, scopes, day, month, held[1], held[2])
        local left_high, left_low = money_left({ limit }, scopes, day, month, held[1], held[2])
        return { REFUSED, number, -1, all_high, all_low, left_high, left_low, figures[MONEY], figures[MONEY + 1] }
      end
    end
  end
  if call.hold then
    each_window(scopes, count, day, month, function(figures)
      add(figures, HELD, more_high, more_low)
      figures[TOKENS_HELD] = figures[TOKENS_HELD] + more_tokens
    end)
    change_slices(held[5], scopes, more_tokens)
    held[1], held[2] = normal(held[1] + more_high, held[2] + more_low)
    held[3] = held[3] + more_tokens
    changed(key, call, id, false)
    return { OK, true, standing(told, scopes, day, month, s, ns) }
  end
  local slices = {}
  for _, counted in ipairs(minutes) do
    local minute, at_s, at_ns, scope = unpack(counted)
    slices[#slices + 1] = { scope, count_tokens(minute, tokens, at_s, at_ns) }
  end
  each_window(scopes, count, day, month, function(figures)
    add(figures, HELD, high, low)
    figures[TOKENS_HELD] = figures[TOKENS_HELD] + tokens
  end)
  call.hold = { high, low, tokens, hold, slices }
  changed(key, call, id, true)
  return { OK, true, standing(told, scopes, day, month, s, ns) }
end

-- Takes a hold out of its windows, and puts a cost, tokens and requests there instead.
local function replace(hold, scopes, count, day, month, high, low, tokens, requests)
  local held_high, held_low, held_tokens = hold[1], hold[2], hold[3]
  each_window(scopes, count, day, month, function(figures)
    add(figures, HELD, -held_high, -held_low)
    add(figures, MONEY, high, low)
    figures[TOKENS_HELD] = figures[TOKENS_HELD] - held_tokens
    figures[TOKENS] = figures[TOKENS] + tokens
    figures[REQUESTS] = figures[REQUESTS] + requests
  end)
end


-- `released`: there was no answer to its reservation, which is given up. `if_open`: only if something is held or put down for it.
function operations.settle(key, scopes, given)
  local id, was_held, released, high, low, held_high, held_low, tokens, count, day, month, hold_said, told, if_open, s, ns =
    unpack(given)
  local call = call_of(key)
  local hold, put_down = call.hold, type(call.settled) == 'table' and call.settled
  if if_open and not hold and not put_down then return { OK, false, false } end
  if hold and hold[4] ~= hold_said then return { MOVED, hold[4] } end
  if not hold and (call.settled == true or not (was_held or released)) then
    return { OK, standing(told, scopes, day, month, s, ns) }
  end
  if hold then
    held_high, held_low = hold[1], hold[2]
    replace(hold, scopes, count, day, month, high, low, tokens, was_held and 1 or 0)
    change_slices(hold[5], scopes, tokens - hold[3])
  elseif put_down then
    held_high, held_low = put_down[1], put_down[2]
    local paid_high, paid_low = normal(high - held_high, low - held_low)
    replace(NOTHING, scopes, count, day, month, paid_high, paid_low, tokens - put_down[3], was_held and 1 or 0)
  elseif was_held then
    replace(NOTHING, scopes, count, day, month, high, low, tokens, 1)
  end
  local over_high, over_low = normal(high - held_high, low - held_low)
  if was_held and is_more(over_high, over_low, 0, 0) then
    each_window(scopes, count, day, month, function(figures) add(figures, OVERSHOOT, over_high, over_low) end)
  end
  call.hold, call.settled = false, not released or VOID
  changed(key, call, id, false)
  return { OK, standing(told, scopes, day, month, s, ns) }
end

-- Ends the leases of a call that nobody renews. The first time it is asked without knowing the call's scopes, and told them.
function operations.expire(key, scopes, given)
  local id, running, hold_said, run_count, hold_count, day, month = unpack(given)
  local deadline = tonumber(redis.call('ZSCORE', LEASES, id))
  local call = call_of(key)
  if not deadline or deadline > now_ms or call.begins then return { OK, false } end
  if (call.run or '') ~= running or (call.hold and call.hold[4] or '') ~= hold_said then
    return { MOVED, call.hold and call.hold[4] or '', call.run or '' }
  end
  if call.run then change_running(scopes, hold_count + 1, hold_count + run_count, -1) end
  local hold = call.hold
  if hold and settings.spend_expired then
    replace(hold, scopes, hold_count, day, month, hold[1], hold[2], hold[3], 0)
    call.settled = { hold[1], hold[2], hold[3], hold[4] }
  elseif hold then
    replace(hold, scopes, hold_count, day, month, 0, 0, 0, 0)
    change_slices(hold[5], scopes, -hold[3])
  end
  call.run, call.hold = false, false
  changed(key, call, id, false)
  return { OK, true }
end

-- Gives back all that a call has, running, held or put down, if a process of this place (but `owner`, who asks) began it. The first
-- time it is asked without knowing the call's scopes, and told them.
function operations.give_back(key, scopes, given)
  local id, place, owner, running, hold_said, run_count, hold_count, day, month = unpack(given)
  local call = call_of(key)
  local of = call.owner
  if not of or of == owner or string.sub(of, 1, #place + 1) ~= place .. '#' then return { OK, false } end
  local put_down = type(call.settled) == 'table' and call.settled
  local has = call.hold or put_down
  if (call.run or '') ~= running or (has and has[4] or '') ~= hold_said then
    return { MOVED, has and has[4] or '', call.run or '' }
  end
  if call.run then change_running(scopes, hold_count + 1, hold_count + run_count, -1) end
  if call.hold then
    replace(call.hold, scopes, hold_count, day, month, 0, 0, 0, 0)
    change_slices(call.hold[5], scopes, -call.hold[3])
  elseif put_down then
    replace(NOTHING, scopes, hold_count, day, month, -put_down[1], -put_down[2], -put_down[3], 0)
  end
  call.run, call.hold = false, false
  if put_down then call.settled = false end
  changed(key, call, id, false)
  return { OK, true }
end

-- A new lease for calls that are alive; tells which of them had none any more.
function operations.renew(_, _, given)
  local lost = {}
  for _, id in ipairs(given) do
    local deadline = tonumber(redis.call('ZSCORE', LEASES, id))
    if deadline and deadline <= now_ms + settings.lease_ms then
      redis.call('ZADD', LEASES, now_ms + settings.lease_ms, id)
    else
      lost[#lost + 1] = id
    end
  end
  return { OK, lost }
end

function operations.forget_spent(_, scopes, labels)
  for _, label in ipairs(labels) do
    if scope_at(scopes[1])[label] then
      local figures = window_to_change(scopes[1], label)
      figures[MONEY], figures[MONEY + 1], figures[TOKENS], figures[REQUESTS] = 0, 0, 0, 0
    end
  end
  return { OK }
end

-- Takes the figures of windows out, as they are at this place in the batch.
function operations.figures(_, scopes, labels)
  local found = {}
  for place, label in ipairs(labels) do found[place] = { unpack(window(scopes[1], label)) } end
  return { OK, found }
end
