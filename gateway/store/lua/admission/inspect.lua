-- Read-only views for the admin, metrics and tests. Nothing here is written back.

function Inspect.peek_flow(b, agent, lane)
    local key = Queue.flow_key(b, agent, lane)
    return flows[key] or State.read('flow:' .. key)
end

function Inspect.flows_of(L, b)
    local agents = redis.call('ZRANGE', ROOT .. 'active:' .. b .. '|' .. L.name, 0, -1)
    for _, group in ipairs(redis.call('ZRANGE', ROOT .. 'wake:' .. L.name, 0, -1)) do
        if tonumber(string.sub(group, 1, 1)) == b then
            local parked = redis.call('ZRANGE', ROOT .. 'parked:' .. group .. '|' .. L.name, 0, -1)
            for _, agent in ipairs(parked) do agents[#agents + 1] = agent end
        end
    end
    return agents
end

-- The waiting tickets of one band in the order in which they would be served.
function Inspect.waiting_in(L, b)
    local found = {}
    for _, agent in ipairs(Inspect.flows_of(L, b)) do
        local f = Inspect.peek_flow(b, agent, L.name)
        local tag, tokens = f.tag, 0
        local queue = ROOT .. 'queue:' .. Queue.flow_key(b, agent, L.name)
        local ids = redis.call('ZRANGE', queue, 0, -1)
        for i, id in ipairs(ids) do
            local t = State.ticket_of(id)
            tokens = tokens + t.c[5] + t.c[6]
            found[#found + 1] = {t = t, tag = tag, calls = i, tokens = tokens}
            tag = tag + Queue.cost_of(L, t.c) / t.w
        end
    end
    table.sort(found, function(x, y)
        if x.tag ~= y.tag then return x.tag < y.tag end
        if x.t.A ~= y.t.A then return Pump.name_before(x.t.A, y.t.A) end
        return x.t.seq < y.t.seq
    end)
    return found
end

-- How long blocks last, and until so many calls as come before it and itself have a slot.
function Inspect.lane_wait(L, c, number)
    local s, dimension, wait = L.s, '', 0
    if s.pau == 1 then dimension, wait = 'rpm', FOREVER end
    if s.blk[5] - now > wait then dimension, wait = 'rpm', s.blk[5] - now end
    for d = 1, 4 do
        if c[d] > 0 and s.blk[d] - now > wait then dimension, wait = DIMENSIONS[d], s.blk[d] - now end
    end
    if s.con > 0 then
        local missing = number - (s.con - s.fl)
        local time = missing > 0 and math.ceil(s.hold * missing / s.con) or 0
        if time > wait then dimension, wait = 'concurrency', time end
    end
    return dimension, wait
end

-- When everything before it and the ticket itself would have fitted; `number` is its place.
function Inspect.time_to_go(L, t, entry, before, number)
    local s, c = L.s, t.c
    local kind, name, dimension = t.why[1], t.why[2], t.why[3]
    local bound, wait = Inspect.lane_wait(L, c, number)
    if wait > 0 then kind, name, dimension = 'lane', L.name, bound end
    for d = 1, 4 do
        local cap = L.cap[d]
        if c[d] > 0 and cap > 0 then
            local missing = before[d] + Lane.need(L, d, c[d], t.b) - s.lev[d]
            if missing > EPSILON then
                local time = math.ceil(missing / (L.rate[d] * L.pace))
                if time > wait then
                    kind = before[d] + c[d] <= s.lev[d] and 'band' or 'lane'
                    name, dimension, wait = L.name, DIMENSIONS[d], time
                end
            end
        end
        before[d] = before[d] + c[d]
    end
    for _, who in ipairs({'agent', 'team'}) do
        local id = who == 'agent' and t.A or t.T
        if id ~= '' then
            local S = scopes[who .. ':' .. id] or Budget.load(who .. ':' .. id)
            local bound, time = Budget.binds(S, entry.calls, entry.tokens)
            if bound == 'concurrency' then
                time = math.ceil(S.s.hold * entry.calls / S.s.lim[3])
            end
            if bound and time > wait then
                kind, name, dimension, wait = who, id, bound, time
            end
        end
    end
    return wait, kind, name, dimension
end

function Inspect.listing(L)
    local list, before = {}, {0, 0, 0, 0}
    for b = 1, 3 do
        for _, entry in ipairs(Inspect.waiting_in(L, b)) do
            local t = entry.t
            local wait, kind, name, dimension = Inspect.time_to_go(L, t, entry, before, #list + 1)
            list[#list + 1] = {t.id, t.A, t.T, b, now - t.arr, wait, kind, name, dimension, t.rep}
        end
    end
    return list
end

function Inspect.lane(name, with_queue)
    local L = lanes[name] or Lane.load(name)
    local s = L.s
    return {
        known = L.known or lanes[name] ~= nil, limits = L.limit, capacity = L.cap, level = s.lev,
        configured = s.lim, learned = s.lrn, concurrency = s.con, held = s.hel, in_flight = s.fl,
        holding_us = s.hold, blocked_until_us = s.blk, paused = s.pau, drift = s.dri,
        strangers = s.nb, pace = L.pace,
        saturated = {Lane.saturated(L, 1), Lane.saturated(L, 2), Lane.saturated(L, 3)},
        corrected = s.cor, pending = s.pen, waiting = s.cnt, flows = s.nfl, weights = s.wgt,
        active = s.act, waiting_charges = s.sum, virtual = s.vt, since_us = s.sin, ledger = s.led,
        sequence = s.seq, next_us = s.tol[1], next_owner = s.tol[2],
        queue = with_queue == 1 and Inspect.listing(L) or {}
    }
end

function Inspect.budget(name)
    local S = scopes[name] or Budget.load(name)
    local s = S.s
    return {
        known = S.known or scopes[name] ~= nil, limits = s.lim, soft = s.soft, requests = s.wr,
        tokens = s.wt, held_requests = s.hr, held_input = s.hi, held_output = s.ho,
        held_microusd = s.hc, in_flight = s.fl, holding_us = s.hold, spent_day = s.ds,
        spent_month = s.ms, ledger = s.led, parked_groups = s.ng, window = s.win,
        blind_until_us = s.bli or 0
    }
end
