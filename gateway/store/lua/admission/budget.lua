-- Budgets of agents and teams: sliding minutes, calls in flight, spend by calendar.

-- Days since 1970 to the number of the month since year 0 (proleptic Gregorian calendar).
function Budget.month_of(day)
    local z = day + 719468
    local era = math.floor(z / 146097)
    local doe = z - era * 146097
    local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524)
        - math.floor(doe / 146096)) / 365)
    local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
    return (yoe + era * 400) * 12 + math.floor((5 * doy + 2) / 153) + 2
end

-- The first day of a month, as days since 1970.
function Budget.month_start(month)
    local shifted = month - 2
    local year = math.floor(shifted / 12)
    local era = math.floor(year / 400)
    local yoe = year - era * 400
    local doy = math.floor((153 * (shifted - year * 12) + 2) / 5)
    return era * 146097 + yoe * 365 + math.floor(yoe / 4) - math.floor(yoe / 100) + doy - 719468
end

function Budget.slot_width(s)
    return math.floor(s.min / 60)
end

function Budget.current_slot(s)
    return math.floor(now / Budget.slot_width(s))
end

-- Forget what no sliding minute that ends now or later can contain.
function Budget.window_advance(s)
    local win, oldest = s.win, Budget.current_slot(s) - 60
    if #win == 0 or win[1] >= oldest then return end
    local kept = {}
    for i = 1, #win, 3 do
        if win[i] < oldest then
            s.wt = s.wt - win[i + 1]
            s.wr = s.wr - win[i + 2]
        else
            local n = #kept
            kept[n + 1], kept[n + 2], kept[n + 3] = win[i], win[i + 1], win[i + 2]
        end
    end
    s.win = kept
end

function Budget.window_add(s, tokens, requests)
    local win, slot = s.win, Budget.current_slot(s)
    local last = #win - 2
    if last > 0 and win[last] >= slot then -- also when the clock went back
        win[last + 1] = win[last + 1] + tokens
        win[last + 2] = win[last + 2] + requests
    else
        win[last + 3], win[last + 4], win[last + 5] = slot, tokens, requests
    end
    s.wt = s.wt + tokens
    s.wr = s.wr + requests
end

-- Correct what was counted in an earlier slot, if any sliding minute still contains it.
function Budget.window_amend(s, slot, tokens, requests)
    local win = s.win
    for i = 1, #win, 3 do
        if win[i] == slot then
            win[i + 1] = win[i + 1] + tokens
            win[i + 2] = win[i + 2] + requests
            s.wt = s.wt + tokens
            s.wr = s.wr + requests
            return
        end
    end
end

-- When `excess` will have left the window; a whole minute if what is held is in the way.
function Budget.window_wait(s, excess, field)
    local win, freed = s.win, 0
    for i = 1, #win, 3 do
        freed = freed + win[i + field]
        if freed >= excess then return (win[i] + 61) * Budget.slot_width(s) - now end
    end
    return s.min
end

function Budget.new()
    return {
        lim = {-1, -1, -1, -1, -1}, soft = 0, min = 60 * SECOND, -- rpm tpm concurrency day month
        win = {}, wt = 0, wr = 0, hr = 0, hi = 0, ho = 0, hc = 0, fl = 0, hold = 0,
        dn = 0, ds = 0, mn = 0, ms = 0, ng = 0,
        led = {{0, 0, 0}, {0, 0, 0}, {0, 0, 0}, {0, 0, 0}}
    }
end

-- Spend is counted by calendar days and months, UTC.
function Budget.calendar_advance(s)
    local day = math.floor(now / DAY)
    if day ~= s.dn then
        local month = Budget.month_of(day)
        s.dn, s.ds = day, 0
        if month ~= s.mn then s.mn, s.ms = month, 0 end
    end
end

function Budget.load(name)
    local found = State.read('scope:' .. name)
    local s = found or Budget.new()
    Budget.window_advance(s)
    Budget.calendar_advance(s)
    return {name = name, s = s, known = found and true}
end

function Budget.of(name)
    local S = scopes[name]
    if not S then
        S = Budget.load(name)
        scopes[name] = S
    end
    return S
end

-- What keeps `requests` and `tokens` back: dimension and wait (-1: until something is given back).
function Budget.binds(S, requests, tokens)
    local s = S.s
    local dimension, wait = nil, -1
    if s.lim[1] >= 0 and requests > 0 then
        local excess = s.wr + requests - s.lim[1]
        if excess > 0 then dimension, wait = 'rpm', Budget.window_wait(s, excess, 2) end
    end
    if s.lim[2] >= 0 and tokens > 0 then
        local excess = s.wt + s.ho + tokens - s.lim[2]
        if excess > 0 then
            local time = Budget.window_wait(s, excess, 1)
            if time > wait then dimension, wait = 'tpm', time end
        end
    end
    local blind = (s.bli or 0) - now -- books that an older version wrote have none
    if blind > 0 and blind > wait then
        if s.lim[2] >= 0 and tokens > 0 then
            dimension, wait = 'tpm', blind
        elseif s.lim[1] >= 0 and requests > 0 then
            dimension, wait = 'rpm', blind
        end
    end
    if not dimension and s.lim[3] >= 0 and s.fl >= s.lim[3] then return 'concurrency', -1 end
    return dimension, wait
end

function Budget.outgrown(S, c)
    local s = S.s
    if s.soft == 1 then return end
    if s.lim[1] >= 0 and c[1] > s.lim[1] then return 'rpm', c[1], s.lim[1] end
    if s.lim[2] >= 0 and c[5] + c[6] > s.lim[2] then return 'tpm', c[5] + c[6], s.lim[2] end
    if s.lim[3] == 0 then return 'concurrency', 1, 0 end
end

-- Spend has no soft limit: money does not come back with idle capacity.
function Budget.overspent(S, cost)
    local s = S.s
    if s.lim[4] >= 0 and s.ds + s.hc + cost > s.lim[4] then
        return 'usd_per_day', s.ds + s.hc + cost, s.lim[4], (s.dn + 1) * DAY - now
    end
    if s.lim[5] >= 0 and s.ms + s.hc + cost > s.lim[5] then
        local left_us = Budget.month_start(s.mn + 1) * DAY - now
        return 'usd_per_month', s.ms + s.hc + cost, s.lim[5], left_us
    end
end

function Budget.reserve(s, requests, tokens, cost)
    local led = s.led[1]
    led[1] = led[1] + requests
    led[2] = led[2] + tokens
    led[3] = led[3] + cost
end

function Budget.take(S, c)
    local s = S.s
    Budget.window_add(s, c[5], c[1])
    s.hr = s.hr + c[1]
    s.hi = s.hi + c[5]
    s.ho = s.ho + c[6]
    s.hc = s.hc + c[7]
    s.fl = s.fl + 1
    Budget.reserve(s, c[1], c[5] + c[6], c[7])
end

function Budget.grow(S, output)
    S.s.ho = S.s.ho + output
    Budget.reserve(S.s, 0, output, 0)
end

-- Take a reservation out of what is held.
function Budget.release(s, c)
    s.hr = s.hr - c[1]
    s.hi = s.hi - c[5]
    s.ho = s.ho - c[6]
    s.hc = s.hc - c[7]
    s.fl = s.fl - 1
end

function Budget.ledger_move(s, d, reserved, used)
    if used > reserved then
        s.led[1][d] = s.led[1][d] + used - reserved
    else
        s.led[3][d] = s.led[3][d] + reserved - used
    end
    s.led[2][d] = s.led[2][d] + used
end

function Budget.settle(S, c, actual, admitted_us, held_us)
    local s = S.s
    Budget.release(s, c)
    local slot = math.floor(admitted_us / Budget.slot_width(s))
    Budget.window_amend(s, slot, actual[5] - c[5], actual[1] - c[1])
    if actual[6] > 0 then Budget.window_add(s, actual[6], 0) end
    s.ds = s.ds + actual[7]
    s.ms = s.ms + actual[7]
    s.hold = Lane.mean(s.hold, held_us)
    Budget.ledger_move(s, 1, c[1], actual[1])
    Budget.ledger_move(s, 2, c[5] + c[6], actual[5] + actual[6])
    Budget.ledger_move(s, 3, c[7], actual[7])
end

-- A dead replica's call: input and cost stay counted, output that nobody saw does not.
function Budget.expire(S, c)
    local s = S.s
    Budget.release(s, c)
    s.ds = s.ds + c[7]
    s.ms = s.ms + c[7]
    local led = s.led[4]
    led[1] = led[1] + c[1]
    led[2] = led[2] + c[5] + c[6]
    led[3] = led[3] + c[7]
end
