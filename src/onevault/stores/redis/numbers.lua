-- Numbers that a double cannot hold, as two that it can: money as whole dollars and nanos, moments as seconds and nanoseconds.

local BILLION = 1000000000

local function normal(high, low)
  if low >= BILLION then return high + 1, low - BILLION end
  if low < 0 then return high - 1, low + BILLION end
  return high, low
end

-- Adds to the figure whose halves stand at `at` and `at + 1`.
local function add(figures, at, high, low)
  figures[at], figures[at + 1] = normal(figures[at] + high, figures[at + 1] + low)
end

local function is_more(high, low, than_high, than_low)
  local carried = math.floor(low / BILLION)
  high, low = high + carried, low - carried * BILLION
  return high > than_high or (high == than_high and low > than_low)
end

-- Nanoseconds from one moment to another: exact up to a hundred days, and beyond that only compared with minutes.
local function between_ns(from_s, from_ns, to_s, to_ns)
  return (to_s - from_s) * BILLION + (to_ns - from_ns)
end
