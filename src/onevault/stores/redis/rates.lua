-- Attempts: whether one more is let in, in all scopes or none; what leaves; what a reset forgets.

local OK, REFUSED, MOVED, GIVEN_UP = 0, 1, 2, 3
local operations = {}

-- How long until one more attempt fits, -1 for never.
local function attempt_fits_in_ns(minute, maximum, s, ns)
  if maximum <= 0 then return -1 end
  local blocking_s, blocking_ns = attempt_at(minute, attempts_count(minute) - maximum)
  return between_ns(s, ns, blocking_s + MINUTE_S, blocking_ns)
end

local PER_MINUTE, CONCURRENT = 1, 2

-- What runs in the scopes from one to another.
local function change_running(scopes, first, last, by)
  for scope = first, last do
    local total = window_to_change(scopes[(scope - 1) * KEYS_OF_SCOPE + 1], '')
    total[RUNNING] = total[RUNNING] + by
  end
end

function operations.admit(key, scopes, given)
  local id, s, ns, count, joined, day, month, limits = unpack(given)
  local call = call_of(key)
  if call.run then return { OK, false, {} } end
  local minutes, quotas, quotas_left = {}, { 0, 0 }, { 0, 0 }
  for number, limit in ipairs(limits) do
    local kind, scope, which, maximum, is_told = unpack(limit)
    if kind == PER_MINUTE then
      local minute = attempts_of(scopes[scope * KEYS_OF_SCOPE + REQUEST_MINUTE])
      local at_s, at_ns = advance_attempts(minute, s, ns)
      if attempts_count(minute) >= maximum then
        return { REFUSED, number, attempt_fits_in_ns(minute, maximum, at_s, at_ns) }
      end
      local is_new = true
      for _, other in ipairs(minutes) do
        if other[1] == minute then is_new, other[4] = false, maximum end
      end
      if is_new then minutes[#minutes + 1] = { minute, at_s, at_ns, maximum } end
    else
      local figures = window(scopes[scope * KEYS_OF_SCOPE + 1], which == 1 and day or which == 2 and month or '')
      local used = figures[kind == CONCURRENT and RUNNING or ATTEMPTS]
      if used >= maximum then return { REFUSED, number, -1 } end
      local left = maximum - used - 1
      if is_told == 1 and (quotas[which] == 0 or left < quotas_left[which]) then
        quotas[which], quotas_left[which] = number, left
      end
    end
  end
  local tightest = false
  for _, counted in ipairs(minutes) do
    local minute, at_s, at_ns, maximum = unpack(counted)
    minute.added[#minute.added + 1] = { at_s, at_ns }
    local remaining = maximum - attempts_count(minute)
    if not tightest or remaining < tightest[2] then
      local oldest_s, oldest_ns = attempt_at(minute, 0)
      tightest = { maximum, remaining, between_ns(at_s, at_ns, oldest_s + MINUTE_S, oldest_ns) }
    end
  end
  for place = 1, count * KEYS_OF_SCOPE, KEYS_OF_SCOPE do
    local scope = scopes[place]
    local today, this_month = window_to_change(scope, day), window_to_change(scope, month)
    today[ATTEMPTS], this_month[ATTEMPTS] = today[ATTEMPTS] + 1, this_month[ATTEMPTS] + 1
  end
  change_running(scopes, 1, count, 1)
  call.run = joined
  changed(key, call, id, true)
  return { OK, tightest, { quotas[1], quotas_left[1], quotas[2], quotas_left[2] } }
end

function operations.leave(key, scopes, given)
  local id, count, joined = unpack(given)
  local call = call_of(key)
  if not call.run then return { OK } end
  if call.run ~= joined then return { MOVED } end
  change_running(scopes, 1, count, -1)
  call.run = false
  changed(key, call, id, false)
  return { OK }
end

function operations.forget_attempts(_, scopes, labels)
  for _, label in ipairs(labels) do
    if scope_at(scopes[1])[label] then window_to_change(scopes[1], label)[ATTEMPTS] = 0 end
  end
  return { OK }
end
