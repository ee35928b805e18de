-- Lanes: token buckets on the provider's terms, and their correction by what the provider says.

-- What is left for strangers: fades in minutes; shares of a bucket.
Lane.NB_FADE, Lane.NB_STEP, Lane.NB_MOST = 5, 0.05, 0.25
Lane.FILLED_AGAIN = 0.1 -- of a bucket, after the store has lost what it knew
Lane.ARRIVAL_KEPT = 6 -- for this part of a minute a figure may be the one of a call's arrival

-- Derive what follows from the limits: the limit in force, the bucket's size and its refill.
function Lane.shape(L)
    local s = L.s
    for d = 1, 4 do
        local set, learned = s.lim[d], s.lrn[d]
        local limit = set
        if set < 0 or (learned >= 0 and learned < set) then limit = learned end
        L.limit[d] = limit
        L.cap[d] = limit < 0 and -1 or limit * (1 - s.mar)
        L.rate[d] = L.cap[d] / s.min
    end
end

function Lane.refill(L)
    local s = L.s
    local passed = now - s.at
    Ramp.advance(L)
    if passed > 0 then
        for d = 1, 4 do
            local top = L.cap[d] * L.pace
            if L.cap[d] >= 0 and s.lev[d] ~= top then
                local level = s.lev[d] + passed * L.rate[d] * L.pace
                s.lev[d] = level < top and level or top
            end
            local faded = s.nb[d] / (1 + passed / (Lane.NB_FADE * s.min))
            s.nb[d] = faded >= 1 and faded or 0
        end
    end
    s.at = now
end

function Lane.new()
    return {
        lim = {-1, -1, -1, -1}, con = -1, mar = 0.01, flo = {0, 0.05, 0.2}, min = 60 * SECOND,
        dep = 1000, age = 30 * SECOND, -- configuration
        lrn = {-1, -1, -1, -1}, ep = 0, -- learned limits; how often the limits have changed
        lev = {0, 0, 0, 0}, at = now, blk = {0, 0, 0, 0, 0}, pau = 0, -- buckets, blocks
        hel = {0, 0, 0, 0}, fl = 0, hold = 0, -- reserved; in flight; mean holding time
        cor = {0, 0, 0, 0}, pen = {0, 0, 0, 0}, dri = {0, 0, 0, 0}, -- corrections
        nb = {0, 0, 0, 0}, -- left in the buckets for others on the account
        seq = 0, vt = {0, 0, 0}, sin = {0, 0, 0}, act = {0, 0, 0}, -- queue
        cnt = {0, 0, 0}, nfl = {0, 0, 0}, wgt = {0, 0, 0},
        sum = {{0, 0, 0, 0}, {0, 0, 0, 0}, {0, 0, 0, 0}},
        led = {{0, 0, 0, 0}, {0, 0, 0, 0}, {0, 0, 0, 0}, {0, 0, 0, 0}},
        tol = {0, ''}, -- the next time that was announced, and to whom
        use = now, rmp = 0, rid = 0, rst = 1, rov = 0 -- ramp: last used, begun; its settings
    }
end

function Lane.load(name)
    local s = State.read('lane:' .. name)
    local known = s and true
    if s and not s.nb then s.nb = {0, 0, 0, 0} end -- as an earlier version left it
    if s and not s.use then Ramp.default(s) end
    local L = {name = name, s = s or Lane.new(), limit = {}, cap = {}, rate = {}, known = known}
    Lane.shape(L)
    Lane.refill(L)
    return L
end

function Lane.of(name)
    local L = lanes[name]
    if not L then
        L = Lane.load(name)
        lanes[name] = L
    end
    return L
end

-- Change limits; what is used stays used. A new one starts with this share of a full bucket.
function Lane.reshape(L, change, filled)
    local s, before = L.s, {L.cap[1], L.cap[2], L.cap[3], L.cap[4]}
    change(s)
    Lane.shape(L)
    local changed = false
    for d = 1, 4 do
        local cap, old = L.cap[d], before[d]
        if cap ~= old then
            changed = true
            if cap >= 0 then
                local level = cap * filled - s.hel[d]
                if old >= 0 then level = s.lev[d] + cap - old end
                s.lev[d] = level < cap and level or cap
            end
        end
    end
    if changed then s.ep = s.ep + 1 end
end

-- What a band must leave in a bucket: its floor, and what strangers may have taken unseen.
function Lane.headroom(L, d, b)
    return L.s.flo[b] * L.cap[d] + (b > 1 and L.s.nb[d] or 0)
end

-- The level that lets a charge of a band through; never more than a full bucket.
function Lane.need(L, d, charge, b)
    local need = charge + Lane.headroom(L, d, b)
    return need > L.cap[d] and L.cap[d] or need
end

-- The first dimension of which a band may use nothing more for now.
function Lane.saturated(L, b)
    for d = 1, 4 do
        if L.cap[d] > 0 and L.s.lev[d] <= Lane.headroom(L, d, b) then return DIMENSIONS[d] end
    end
    return ''
end

-- What in this lane keeps a charge back that leaves what the band b must leave. Returns nothing
-- when it fits, else the dimension, the wait in microseconds (-1: until something is given back),
-- whether the lane is blocked, and whether only the headroom is in the way.
function Lane.binds(L, c, b)
    local s = L.s
    if s.pau == 1 then return 'rpm', -1, true, false end
    local dimension, wait, blocked, kept = nil, -1, false, false
    if s.blk[5] > now then
        dimension, wait, blocked = 'rpm', s.blk[5] - now, true
    end
    for d = 1, 4 do
        if c[d] > 0 then
            if s.blk[d] > now then
                blocked = true
                if s.blk[d] - now > wait then
                    dimension, wait, kept = DIMENSIONS[d], s.blk[d] - now, c[d] <= s.lev[d]
                end
            end
            if L.cap[d] >= 0 then
                local missing = Lane.need(L, d, c[d], b) - s.lev[d]
                if missing > EPSILON then
                    local time = L.cap[d] > 0 and math.ceil(missing / (L.rate[d] * L.pace)) + 1
                        or FOREVER
                    if time > wait then
                        dimension, wait, kept = DIMENSIONS[d], time, c[d] <= s.lev[d]
                    end
                end
            end
        end
    end
    if not dimension and s.con >= 0 and s.fl >= s.con then return 'concurrency', -1, false, false end
    return dimension, wait, blocked, kept and not blocked
end

-- The first limit that the charge alone is larger than.
function Lane.outgrown(L, c)
    for d = 1, 4 do
        if L.limit[d] >= 0 and c[d] > L.limit[d] then return DIMENSIONS[d], c[d], L.limit[d] end
    end
    if L.s.con == 0 then return 'concurrency', 1, 0 end
end

function Lane.take(L, c)
    local s = L.s
    for d = 1, 4 do
        if L.cap[d] >= 0 then s.lev[d] = s.lev[d] - c[d] end
        s.hel[d] = s.hel[d] + c[d]
        s.led[1][d] = s.led[1][d] + c[d]
    end
    s.fl, s.use = s.fl + 1, now
end

-- A reservation grows to at least `more`.
function Lane.grow(L, c, more)
    local s = L.s
    for d = 1, 4 do
        local extra = more[d] - c[d]
        if extra > 0 then
            if L.cap[d] >= 0 then s.lev[d] = s.lev[d] - extra end
            s.hel[d] = s.hel[d] + extra
            s.led[1][d] = s.led[1][d] + extra
            c[d] = more[d]
        end
    end
end

function Lane.mean(old, value)
    return old == 0 and value or old + (value - old) / 8
end

-- Replace a reservation by the actual use. What a correction has already taken on behalf of
-- calls in flight is not taken a second time.
function Lane.settle(L, c, actual, held_us)
    local s = L.s
    for d = 1, 4 do
        local back = c[d] - actual[d]
        if back < 0 then
            s.led[1][d] = s.led[1][d] - back
        else
            s.led[3][d] = s.led[3][d] + back
        end
        s.led[2][d] = s.led[2][d] + actual[d]
        s.hel[d] = s.hel[d] - c[d]
        if L.cap[d] >= 0 then
            if back < 0 then
                local known = s.pen[d] < -back and s.pen[d] or -back
                s.pen[d] = s.pen[d] - known
                s.nb[d] = s.nb[d] > known and s.nb[d] - known or 0
                back = back + known
            end
            local level = s.lev[d] + back
            s.lev[d] = level < L.cap[d] and level or L.cap[d]
        end
        if s.pen[d] > s.hel[d] then s.pen[d] = s.hel[d] end
    end
    s.fl, s.use = s.fl - 1, now
    s.hold = Lane.mean(s.hold, held_us)
end

-- A dead replica's call: the provider did get it, so it stays charged.
function Lane.expire(L, c)
    local s = L.s
    for d = 1, 4 do
        s.led[4][d] = s.led[4][d] + c[d]
        s.hel[d] = s.hel[d] - c[d]
        if s.pen[d] > s.hel[d] then s.pen[d] = s.hel[d] end
    end
    s.fl, s.use = s.fl - 1, now
end

-- The provider says what is left of one dimension; t is the ticket whose answer says so.
function Lane.correct(L, t, d, remaining, granularity)
    local s, cap = L.s, L.cap[d]
    if cap < 0 then return end
    local spare = L.limit[d] - cap -- our bucket is smaller than theirs by the margin
    local lower = s.lev[d]
    local upper = s.lev[d] + s.hel[d]
    if t and t.st == 1 and t.ep == s.ep then
        -- Providers may count on arrival, so what was true then explains the figure as well.
        local since = s.cor[d] - t.cor[d]
        local then_lower = t.aft[d] + since
        local then_upper = t.aft[d] + since + t.hel[d]
        local late = now - t.adm - s.min / Lane.ARRIVAL_KEPT -- beyond that, what refilled counts
        if late > 0 then then_lower = then_lower + late * L.rate[d] end
        if then_lower < lower then lower = then_lower end
        if then_upper > upper then upper = then_upper end
    end
    local theirs = remaining - spare
    local off = 0
    if theirs + granularity / 2 < lower then
        off = theirs - lower
        s.lev[d] = s.lev[d] + off
        s.cor[d] = s.cor[d] + off
        s.pen[d] = s.pen[d] - off
        if s.pen[d] > s.hel[d] then s.pen[d] = s.hel[d] end
        if -off > s.nb[d] then
            s.nb[d] = -off < cap * Lane.NB_MOST and -off or cap * Lane.NB_MOST
        end
    elseif theirs - granularity / 2 > upper and L.pace == 1 and s.blk[d] <= now and s.blk[5] <= now
        and s.lrn[d] <= L.limit[d] then -- what is left of a larger limit is not ours to spend
        off = theirs - upper
        local level = s.lev[d] + off
        if level > cap then level = cap end
        s.cor[d] = s.cor[d] + level - s.lev[d]
        s.lev[d] = level
    end
    s.dri[d] = -off
end

-- A call that a 429 of these refused goes again: what was left for strangers was not enough.
function Lane.suspect(L, refused)
    for _, d in ipairs(refused) do
        local more, most = L.s.nb[d] + L.cap[d] * Lane.NB_STEP, L.cap[d] * Lane.NB_MOST
        L.s.nb[d] = more < most and more or most
    end
end

-- Nothing before `until_us`, and then from an empty bucket, so that the restart is slow.
function Lane.block(L, d, until_us)
    local s = L.s
    if until_us > s.blk[d] then s.blk[d] = until_us end
    if d == 5 then Ramp.begin(L, s.blk[5]) end -- no limit is named: perhaps traffic rose too fast
    for e = 1, 4 do
        if (d == e or d == 5) and L.cap[e] >= 0 then
            local level = -(L.rate[e] * L.pace * (s.blk[d] - now))
            if level < s.lev[e] then s.lev[e] = level end
        end
    end
end
