-- The queue of a lane: bands, in a band flows in start-time fair order, in a flow first come.

local function flow_key(b, agent, lane)
    return b .. '|' .. agent .. '|' .. lane
end

local function flow_of(b, agent, lane)
    local key = flow_key(b, agent, lane)
    local f = flows[key]
    if not f then
        -- st: 0 idle, 1 active, 2 parked; sc: the budget it is parked at, or was woken from
        f = read('flow:' .. key) or {tag = 0, n = 0, sum = {0, 0, 0, 0}, tok = 0, w = 1, st = 0, sc = ''}
        flows[key] = f
    end
    return f
end

-- What a call costs its flow: tokens, as the lane counts them.
local function cost_of(L, c)
    local tokens = L.limit[4] >= 0 and c[4] or c[2] + c[3]
    return tokens > 1 and tokens or 1
end

local function activate(L, b, agent, f)
    local s = L.s
    f.st = 1
    add('active:' .. b .. '|' .. L.name, f.tag, agent)
    if s.act[b] == 0 then s.sin[b] = now end
    s.act[b] = s.act[b] + 1
    touch_lane(L.name)
end

local function deactivate(L, b, agent, f)
    f.st = 0
    remove('active:' .. b .. '|' .. L.name, agent)
    L.s.act[b] = L.s.act[b] - 1
end

-- The first flow of a group has left it, or others are behind it: see to the rest.
local function settle_group(L, b, scope, wake_us)
    local group = b .. '|' .. scope
    if redis.call('EXISTS', ROOT .. 'parked:' .. group .. '|' .. L.name) == 1 then
        add('wake:' .. L.name, wake_us, group)
    else
        remove('wake:' .. L.name, group)
        if remove('groups:' .. scope, b .. '|' .. L.name) == 1 then
            local S = scope_of(scope)
            S.s.ng = S.s.ng - 1
        end
    end
end

local function park(L, b, agent, f, S, wait_us, soft)
    deactivate(L, b, agent, f)
    local group, place = b .. '|' .. S.name, b .. '|' .. L.name
    f.st, f.sc = 2, S.name
    add('parked:' .. group .. '|' .. L.name, f.tag, agent)
    if soft then add('soft:' .. place, f.tag, agent) end
    expiring['groups:' .. S.name] = true
    if redis.call('ZADD', ROOT .. 'groups:' .. S.name, 0, place) == 1 then S.s.ng = S.s.ng + 1 end
    if first('parked:' .. group .. '|' .. L.name) == agent then
        add('wake:' .. L.name, now + wait_us, group)
    end
end

-- Take a flow out of its group. The next in the group gets its chance only once this one is
-- served or gone (touch_scope), and at the latest after a minute.
local function unpark(L, b, agent, f)
    remove('parked:' .. b .. '|' .. f.sc .. '|' .. L.name, agent)
    remove('soft:' .. b .. '|' .. L.name, agent)
    settle_group(L, b, f.sc, now + L.s.min)
    f.st = 0
end

-- A flow that waited for its own budget starts with the others; it has saved nothing up.
local function reactivate(L, b, agent, f)
    unpark(L, b, agent, f)
    if L.s.vt[b] > f.tag then f.tag = L.s.vt[b] end
    activate(L, b, agent, f)
end

-- Give the first flow of a group another try.
local function wake_group(L, b, scope)
    local agent = first('parked:' .. b .. '|' .. scope .. '|' .. L.name)
    if not agent then return settle_group(L, b, scope, 0) end
    reactivate(L, b, agent, flow_of(b, agent, L.name))
end

-- Something came back to a budget, or its limits changed: whoever is first there tries again.
local function touch_scope(S)
    if S.s.ng == 0 then return end
    for _, place in ipairs(redis.call('ZRANGE', ROOT .. 'groups:' .. S.name, 0, -1)) do
        wake_group(lane_of(string.sub(place, 3)), tonumber(string.sub(place, 1, 1)), S.name)
    end
end

-- The flow no longer keeps the others of the group it was woken from waiting.
local function pass_on(f)
    if f.sc ~= '' then
        local scope = f.sc
        f.sc = ''
        touch_scope(scope_of(scope))
    end
end

local function count(L, t, f, sign)
    local s, b, c = L.s, t.b, t.c
    f.n = f.n + sign
    f.tok = f.tok + sign * (c[5] + c[6])
    s.cnt[b] = s.cnt[b] + sign
    for d = 1, 4 do
        f.sum[d] = f.sum[d] + sign * c[d]
        s.sum[b][d] = s.sum[b][d] + sign * c[d]
    end
end

-- `kept_tag`: the tag that goes with a place kept for a retry or requeue, or -1.
local function enqueue(L, t, kept_tag)
    local s, b = L.s, t.b
    local f = flow_of(b, t.A, L.name)
    local queue = 'queue:' .. flow_key(b, t.A, L.name)
    if f.n == 0 then
        local from = kept_tag >= 0 and kept_tag or s.vt[b]
        if from > f.tag then f.tag = from end
        f.w = t.w
        s.nfl[b] = s.nfl[b] + 1
        s.wgt[b] = s.wgt[b] + f.w
    end
    count(L, t, f, 1)
    add(queue, t.seq, t.id)
    t.st, t.dirty = 0, t.dirty or 1
    if f.st == 2 and first(queue) == t.id then
        reactivate(L, b, t.A, f)
    elseif f.st == 0 then
        activate(L, b, t.A, f)
    end
    return f
end

-- The queue forgets a ticket. Returns whether the flow still has others.
local function dequeue(L, t, f)
    local s, b = L.s, t.b
    remove('queue:' .. flow_key(b, t.A, L.name), t.id)
    count(L, t, f, -1)
    if f.n > 0 then return true end
    s.nfl[b] = s.nfl[b] - 1
    s.wgt[b] = s.nfl[b] == 0 and 0 or s.wgt[b] - f.w
    return false
end

-- A waiting ticket leaves without being served.
local function leave(L, t)
    local b, agent = t.b, t.A
    local f = flow_of(b, agent, L.name)
    local was_first = first('queue:' .. flow_key(b, agent, L.name)) == t.id
    local more = dequeue(L, t, f)
    if was_first or not more then
        if f.st == 2 then
            local scope = f.sc
            if more then reactivate(L, b, agent, f) else unpark(L, b, agent, f) end
            f.sc = ''
            touch_scope(scope_of(scope))
        else
            if not more then deactivate(L, b, agent, f) end
            pass_on(f)
        end
    end
    touch_lane(L.name)
    if t.fp ~= '' then
        redis.call('SET', ROOT .. 'gone:' .. t.fp, cmsgpack.pack({
            L = L.name, A = agent, b = b, seq = t.seq, tag = f.tag,
            till = now + GONE_LIFETIME * SECOND
        }), 'EX', GONE_LIFETIME)
    end
    drop_ticket(t)
end

-- Move a flow's tag by what a call turned out to cost; a waiting flow moves with it.
local function charge_flow(L, t, cost)
    local f = flow_of(t.b, t.A, L.name)
    f.tag = f.tag + cost / t.w
    if f.st == 1 then
        add('active:' .. t.b .. '|' .. L.name, f.tag, t.A)
    elseif f.st == 2 then
        local place = t.b .. '|' .. L.name
        add('parked:' .. t.b .. '|' .. f.sc .. '|' .. L.name, f.tag, t.A)
        redis.call('ZADD', ROOT .. 'soft:' .. place, 'XX', f.tag, t.A)
    end
end
