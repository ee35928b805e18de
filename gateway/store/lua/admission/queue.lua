-- The queue of a lane: bands, in a band flows in start-time fair order, in a flow first come.

function Queue.flow_key(b, agent, lane)
    return b .. '|' .. agent .. '|' .. lane
end

function Queue.flow_of(b, agent, lane)
    local key = Queue.flow_key(b, agent, lane)
    local f = flows[key]
    if not f then
        -- st: 0 idle, 1 active, 2 parked; sc: the budget it is parked at, or was woken from
        f = State.read('flow:' .. key)
            or {tag = 0, n = 0, sum = {0, 0, 0, 0}, tok = 0, w = 1, st = 0, sc = ''}
        flows[key] = f
    end
    return f
end

-- What a call costs its flow: tokens, as the lane counts them.
function Queue.cost_of(L, c)
    local tokens = L.limit[4] >= 0 and c[4] or c[2] + c[3]
    return tokens > 1 and tokens or 1
end

function Queue.activate(L, b, agent, f)
    local s = L.s
    f.st = 1
    State.add('active:' .. b .. '|' .. L.name, f.tag, agent)
    if s.act[b] == 0 then s.sin[b] = now end
    s.act[b] = s.act[b] + 1
    State.touch_lane(L.name)
end

function Queue.deactivate(L, b, agent, f)
    f.st = 0
    State.remove('active:' .. b .. '|' .. L.name, agent)
    L.s.act[b] = L.s.act[b] - 1
end

-- The first flow of a group has left it: see to the rest. (A group that is not there although it
-- should be has expired.)
function Queue.settle_group(L, b, scope, wake_us)
    local group = b .. '|' .. scope
    if redis.call('EXISTS', ROOT .. 'parked:' .. group .. '|' .. L.name) == 1 then
        State.add('wake:' .. L.name, wake_us, group)
    else
        State.remove('wake:' .. L.name, group)
        if State.remove('groups:' .. scope, b .. '|' .. L.name) == 1 then
            local S = Budget.of(scope)
            S.s.ng = S.s.ng - 1
        end
    end
end

function Queue.park(L, b, agent, f, S, wait_us, soft)
    Queue.deactivate(L, b, agent, f)
    local group, place = b .. '|' .. S.name, b .. '|' .. L.name
    f.st, f.sc = 2, S.name
    State.add('parked:' .. group .. '|' .. L.name, f.tag, agent)
    if soft then State.add('soft:' .. place, f.tag, agent) end
    expiring['groups:' .. S.name] = true
    if redis.call('ZADD', ROOT .. 'groups:' .. S.name, 0, place) == 1 then S.s.ng = S.s.ng + 1 end
    if State.first('parked:' .. group .. '|' .. L.name) == agent then
        State.add('wake:' .. L.name, now + wait_us, group)
    end
end

-- Take a flow out of its group. The next in the group gets its chance only once this one is
-- served or gone (touch_budget), and at the latest after a minute.
function Queue.unpark(L, b, agent, f)
    State.remove('parked:' .. b .. '|' .. f.sc .. '|' .. L.name, agent)
    State.remove('soft:' .. b .. '|' .. L.name, agent)
    Queue.settle_group(L, b, f.sc, now + L.s.min)
    f.st = 0
end

-- A flow that waited for its own budget starts with the others; it has saved nothing up.
function Queue.reactivate(L, b, agent, f)
    Queue.unpark(L, b, agent, f)
    if L.s.vt[b] > f.tag then f.tag = L.s.vt[b] end
    Queue.activate(L, b, agent, f)
end

-- Give the first flow of a group another try.
function Queue.wake_group(L, b, scope)
    local agent = State.first('parked:' .. b .. '|' .. scope .. '|' .. L.name)
    if not agent then return Queue.settle_group(L, b, scope, 0) end
    Queue.reactivate(L, b, agent, Queue.flow_of(b, agent, L.name))
end

-- Something came back to a budget, or its limits changed: whoever is first there tries again.
function Queue.touch_budget(S)
    if S.s.ng == 0 then return end
    for _, place in ipairs(redis.call('ZRANGE', ROOT .. 'groups:' .. S.name, 0, -1)) do
        Queue.wake_group(Lane.of(string.sub(place, 3)), tonumber(string.sub(place, 1, 1)), S.name)
    end
end

-- The flow no longer keeps the others of the group it was woken from waiting.
function Queue.pass_on(f)
    if f.sc ~= '' then
        local scope = f.sc
        f.sc = ''
        Queue.touch_budget(Budget.of(scope))
    end
end

function Queue.count(L, t, f, sign)
    local s, b, c = L.s, t.b, t.c
    s.use = now
    f.n = f.n + sign
    f.tok = f.tok + sign * (c[5] + c[6])
    s.cnt[b] = s.cnt[b] + sign
    for d = 1, 4 do
        f.sum[d] = f.sum[d] + sign * c[d]
        s.sum[b][d] = s.sum[b][d] + sign * c[d]
    end
end

-- `kept_tag`: the tag that goes with a place kept for a retry or requeue, or -1.
function Queue.enqueue(L, t, kept_tag)
    local s, b = L.s, t.b
    local f = Queue.flow_of(b, t.A, L.name)
    local queue = 'queue:' .. Queue.flow_key(b, t.A, L.name)
    if f.n == 0 then
        local from = kept_tag >= 0 and kept_tag or s.vt[b]
        if from > f.tag then f.tag = from end
        f.w = t.w
        s.nfl[b] = s.nfl[b] + 1
        s.wgt[b] = s.wgt[b] + f.w
    end
    Queue.count(L, t, f, 1)
    State.add(queue, t.seq, t.id)
    t.st, t.dirty = 0, t.dirty or 1
    if f.st == 2 and State.first(queue) == t.id then
        Queue.reactivate(L, b, t.A, f)
    elseif f.st == 0 then
        Queue.activate(L, b, t.A, f)
    end
    return f
end

-- A waiting ticket will take something else; its place stays.
function Queue.recharge(L, t, c)
    local f = Queue.flow_of(t.b, t.A, L.name)
    Queue.count(L, t, f, -1)
    t.c, t.dirty = c, t.dirty or 1
    Queue.count(L, t, f, 1)
    if f.st == 2 and State.first('queue:' .. Queue.flow_key(t.b, t.A, L.name)) == t.id then
        Queue.reactivate(L, t.b, t.A, f)
    end
    State.touch_lane(L.name)
end

-- The queue forgets a ticket. Returns whether the flow still has others.
function Queue.dequeue(L, t, f)
    local s, b = L.s, t.b
    State.remove('queue:' .. Queue.flow_key(b, t.A, L.name), t.id)
    Queue.count(L, t, f, -1)
    if f.n > 0 then return true end
    s.nfl[b] = s.nfl[b] - 1
    s.wgt[b] = s.nfl[b] == 0 and 0 or s.wgt[b] - f.w
    return false
end

-- A waiting ticket is in its flow no more; returns the flow.
function Queue.withdraw(L, t)
    local b, agent = t.b, t.A
    local f = Queue.flow_of(b, agent, L.name)
    local was_first = State.first('queue:' .. Queue.flow_key(b, agent, L.name)) == t.id
    local more = Queue.dequeue(L, t, f)
    if was_first or not more then
        if f.st == 2 then
            local scope = f.sc
            if more then Queue.reactivate(L, b, agent, f) else Queue.unpark(L, b, agent, f) end
            f.sc = ''
            Queue.touch_budget(Budget.of(scope))
        else
            if not more then Queue.deactivate(L, b, agent, f) end
            Queue.pass_on(f)
        end
    end
    State.touch_lane(L.name)
    return f
end

-- A waiting ticket goes on in another band, before later ones of its agent there.
function Queue.move(L, t, band)
    Queue.withdraw(L, t)
    t.b, t.dirty = band, t.dirty or 1
    Queue.enqueue(L, t, -1)
    State.touch_lane(L.name)
end

-- A waiting ticket leaves without being served.
function Queue.leave(L, t)
    local b, agent = t.b, t.A
    local f = Queue.withdraw(L, t)
    if t.fp ~= '' then
        redis.call('SET', ROOT .. 'gone:' .. t.fp, cmsgpack.pack({
            L = L.name, A = agent, b = b, seq = t.seq, tag = f.tag,
            till = now + GONE_LIFETIME * SECOND
        }), 'EX', GONE_LIFETIME)
    end
    State.drop_ticket(t)
end

-- Move a flow's tag by what a call turned out to cost; a waiting flow moves with it.
function Queue.charge_flow(L, t, cost)
    local f = Queue.flow_of(t.b, t.A, L.name)
    f.tag = f.tag + cost / t.w
    if f.st == 1 then
        State.add('active:' .. t.b .. '|' .. L.name, f.tag, t.A)
    elseif f.st == 2 then
        local place = t.b .. '|' .. L.name
        State.add('parked:' .. t.b .. '|' .. f.sc .. '|' .. L.name, f.tag, t.A)
        redis.call('ZADD', ROOT .. 'soft:' .. place, 'XX', f.tag, t.A)
    end
end
