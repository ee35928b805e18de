-- The operations, and the run of one call: reap, operate, pump, report.
--
--   hello                                         first of a replica that is new or was forgotten
--   bye                                           this replica ends: its tickets go at once
--   configure scope settings                      scope: lane:NAME, agent:NAME, team:NAME
--   arrive ticket lane agent team band weight charge max_wait_us fingerprint is_retry
--   requeue (as arrive)                           reservation back, wait again in the old place
--   cancel ticket timed_out                       leave, or give everything back
--   head ticket lane {dimension limit remaining granularity}...
--   extend ticket lane output_tokens
--   settle ticket lane charge
--   block lane dimensions for_us | unblock lane | pause lane | resume lane
--   beat {ticket...}                              these wait here, as far as the replica knows
--   tick lane                                     pump only
--   inspect scope with_queue
--
-- charge: {requests, lane input, lane output, lane tokens, input, output, micro-dollars};
-- -1 stands for "no limit" and "not told"; dimensions are numbered rpm itpm otpm tpm all.
-- Events: {'g' ticket waited_us kind name dimension}, {'r' ticket reason kind name dimension need
-- allowed retry_us}, {'w' ticket position predicted_us kind name dimension left_us},
-- {'u' ticket}, {'n' lane next_us}.

local arrivals = {}
local NOTHING = {0, 0, 0, 0, 0, 0, 0}

local function each_scope(t, act)
    act(scope_of('agent:' .. t.A))
    if t.T ~= '' then act(scope_of('team:' .. t.T)) end
end

-- End an admitted ticket: from what was reserved to what was used.
local function settle(t, actual)
    local L = lane_of(t.L)
    local held_us = now - t.adm
    lane_settle(L, t.c, actual, actual[1] > 0 and held_us or L.s.hold)
    charge_flow(L, t, (actual[1] > 0 and cost_of(L, actual) or 0) - t.cost)
    each_scope(t, function(S)
        budget_settle(S, t.c, actual, t.adm, actual[1] > 0 and held_us or S.s.hold)
        touch_scope(S)
    end)
    touch_lane(t.L)
    drop_ticket(t)
end

local function reap(replica)
    local ids = redis.call('SMEMBERS', ROOT .. 'replica:' .. replica)
    table.sort(ids)
    for _, id in ipairs(ids) do
        local t = ticket_of(id)
        if t and t.st == 0 then
            leave(lane_of(t.L), t)
        elseif t then
            lane_expire(lane_of(t.L), t.c)
            each_scope(t, function(S)
                budget_expire(S, t.c)
                touch_scope(S)
            end)
            touch_lane(t.L)
            drop_ticket(t)
        end
    end
    redis.call('DEL', ROOT .. 'replica:' .. replica, ROOT .. 'out:' .. replica)
    remove('replicas', replica)
end

-- The place that an earlier try of the same call had, if it is still kept.
local function kept_place(t)
    local gone = read('gone:' .. t.fp)
    if gone and gone.L == t.L and gone.A == t.A and gone.b == t.b and now < gone.till then
        redis.call('DEL', ROOT .. 'gone:' .. t.fp)
        return gone
    end
end

local function accept(t)
    tickets[t.id] = t
    t.dirty = t.dirty or 1
    redis.call('SADD', ROOT .. 'replica:' .. CALLER, t.id)
    expiring['replica:' .. CALLER] = true
end

-- Nobody waits in this lane, or for these budgets: the ticket need not be queued to be served.
-- Returns whether it was dealt with.
local function pass_through(L, t)
    local s, b = L.s, t.b
    if s.act[1] + s.act[2] + s.act[3] > 0 then return false end
    if scope_of('agent:' .. t.A).s.ng > 0 then return false end
    if t.T ~= '' and scope_of('team:' .. t.T).s.ng > 0 then return false end
    local f = flow_of(b, t.A, L.name)
    if f.n > 0 then return false end
    local tag = s.vt[b] > f.tag and s.vt[b] or f.tag
    local what, a1, a2, a3, a4, a5, a6, a7 = judge(L, t, tag, s.flo[b], false)
    if what == 'refuse' then
        refuse(t, a1, a2, a3, a4, a5, a6, a7)
        return true
    end
    if what ~= 'serve' then return false end
    f.tag, f.w = tag, t.w
    s.seq = s.seq + 1
    t.seq = s.seq
    admit(L, t, f)
    accept(t)
    return true
end

local function queue_up(L, t, is_retry)
    local s = L.s
    if s.cnt[1] + s.cnt[2] + s.cnt[3] >= s.dep then
        local _, wait = predict(L, t, flow_of(t.b, t.A, L.name), false)
        refuse(t, 'queue_full', 'lane', L.name, 'rpm', s.cnt[1] + s.cnt[2] + s.cnt[3], s.dep, wait)
        return
    end
    local place = is_retry == 1 and t.fp ~= '' and kept_place(t)
    if place then
        t.seq = place.seq
    else
        s.seq = s.seq + 1
        t.seq = s.seq
    end
    accept(t)
    enqueue(L, t, place and place.tag or -1)
    arrivals[#arrivals + 1] = t.id
end

-- What to say of a ticket that is known already (its replica did not hear the first time).
local function say_again(t)
    if t.rep ~= CALLER then return end
    if t.st == 1 then
        grant(t)
    else
        touch_lane(t.L)
        arrivals[#arrivals + 1] = t.id
    end
end

-- A batch holds arrivals by band, so that of two which come together the more urgent is first.
local function arrive(op)
    local known = ticket_of(op[2])
    if known then return say_again(known) end
    local t = {
        id = op[2], L = op[3], A = op[4], T = op[5], b = op[6], w = op[7], c = op[8],
        rep = CALLER, arr = now, dl = now + op[9], seq = 0, st = 0, adm = 0, cost = 0,
        why = {'', '', ''}, fp = op[10]
    }
    local L = lane_of(t.L)
    touch_lane(t.L)
    if not pass_through(L, t) then queue_up(L, t, op[11]) end
end

-- The provider refused the call: everything comes back, but it counted the request.
local function requeue(op)
    local t = ticket_of(op[2])
    if not t then return arrive(op) end
    if t.st == 0 then return say_again(t) end
    local L = lane_of(t.L)
    local s, c = L.s, t.c
    lane_settle(L, c, {c[1], 0, 0, 0}, s.hold)
    for d = 2, 4 do -- behind a block the bucket is empty, but for this call
        if L.cap[d] >= 0 and s.blk[d] > now then
            local level = c[d] - L.rate[d] * (s.blk[d] - now)
            if level < s.lev[d] then s.lev[d] = level end
        end
    end
    charge_flow(L, t, -t.cost)
    each_scope(t, function(S)
        budget_settle(S, c, NOTHING, t.adm, S.s.hold)
        touch_scope(S)
    end)
    redis.call('SREM', ROOT .. 'replica:' .. t.rep, t.id)
    t.c, t.st, t.rep, t.cost, t.dirty = op[8], 0, CALLER, 0, 1
    accept(t)
    enqueue(L, t, 0)
    touch_lane(t.L)
    arrivals[#arrivals + 1] = t.id
end

local function cancel(op)
    local t, timed_out = ticket_of(op[2]), op[3] == 1
    if not t then
        if timed_out then tell(CALLER, {'u', op[2]}) end
    elseif t.st == 1 then -- the grant is on its way
        if timed_out then grant(t) else settle(t, NOTHING) end
    else
        local L = lane_of(t.L)
        if timed_out then refuse_wait(L, t, true) end
        leave(L, t)
    end
end

local function head(op)
    local L, t = lane_of(op[3]), ticket_of(op[2])
    if t and t.L ~= op[3] then t = false end
    for _, seen in ipairs(op[4]) do
        if seen[2] >= 0 and seen[2] ~= L.s.lrn[seen[1]] then
            reshape(L, function(s) s.lrn[seen[1]] = seen[2] end)
        end
    end
    for _, seen in ipairs(op[4]) do
        if seen[3] >= 0 then lane_correct(L, t, seen[1], seen[3], seen[4]) end
    end
    touch_lane(op[3])
end

local function extend(op)
    local t, output = ticket_of(op[2]), op[4]
    if not t or t.st ~= 1 then return end
    local c = t.c
    lane_grow(lane_of(t.L), c, {c[1], c[2], output, c[2] + output})
    if output > c[6] then
        each_scope(t, function(S) budget_grow(S, output - c[6]) end)
        c[6] = output
    end
    t.dirty = t.dirty or 1
end

local function settle_op(op)
    local t = ticket_of(op[2])
    if t and t.st == 1 then settle(t, op[4]) end
end

local function block(op)
    local L = lane_of(op[2])
    for _, d in ipairs(op[3]) do
        lane_block(L, d, now + op[4])
    end
    touch_lane(op[2])
end

local function unblock(op)
    local L = lane_of(op[2])
    local s = L.s
    for d = 1, 4 do
        local left = (s.blk[d] > s.blk[5] and s.blk[d] or s.blk[5]) - now
        if left > 0 and L.cap[d] >= 0 then
            local level = s.lev[d] + L.rate[d] * left
            s.lev[d] = level < L.cap[d] and level or L.cap[d]
        end
    end
    s.blk = {0, 0, 0, 0, 0}
    touch_lane(op[2])
end

local function pause(op)
    lane_of(op[2]).s.pau = op[1] == 'pause' and 1 or 0
    touch_lane(op[2])
end

local function beat(op)
    for _, id in ipairs(op[2]) do
        local t = ticket_of(id)
        if not t then
            tell(CALLER, {'u', id})
        elseif t.st == 1 then
            if t.rep == CALLER then grant(t) end
        else
            touch_lane(t.L)
        end
    end
end

local function configure_lane(name, to)
    local L = lane_of(name)
    reshape(L, function(s)
        s.lim, s.con, s.mar, s.flo = to.limits, to.concurrency, to.margin, to.floors
        s.min, s.dep, s.age = to.minute_us, to.max_depth, to.ageing_us
    end)
    touch_lane(name)
end

local function configure_scope(name, to)
    local S = scope_of(name)
    local s = S.s
    if s.min ~= to.minute_us then -- other slots: what was used counts as used now
        local tokens, requests = s.wt, s.wr
        s.min, s.win, s.wt, s.wr = to.minute_us, {}, 0, 0
        if tokens > 0 or requests > 0 then window_add(s, tokens, requests) end
    end
    s.lim, s.soft = to.limits, to.soft
    touch_scope(S)
end

local function configure(op)
    local kind, name = string.match(op[2], '^(%a+):(.*)$')
    if kind == 'lane' then configure_lane(name, op[3]) else configure_scope(op[2], op[3]) end
end

local function inspect(op)
    snapshots[#snapshots + 1] = op
end

local function nothing() end

local OPERATIONS = {
    hello = nothing, bye = nothing, configure = configure, arrive = arrive, requeue = requeue,
    cancel = cancel, head = head, extend = extend, settle = settle_op, block = block,
    unblock = unblock, pause = pause, resume = pause, beat = beat, inspect = inspect,
    tick = function(op) touch_lane(op[2]) end
}

local pumped, pumped_at = {}, {}

local function pump_touched()
    local i = 1
    while touched[i] do
        local name = touched[i]
        pump(lane_of(name))
        touched_set[name] = nil
        if not pumped_at[name] then
            pumped[#pumped + 1] = name
            pumped_at[name] = true
        end
        i = i + 1
    end
    touched = {}
end

-- Those who must wait are told how long, or refused if that is longer than they may.
local function answer_arrivals()
    for _, id in ipairs(arrivals) do
        local t = ticket_of(id)
        if t and t.st == 0 then
            local L = lane_of(t.L)
            local position, wait, kind, name, dimension, blocked =
                predict(L, t, flow_of(t.b, t.A, L.name), true)
            if now >= t.dl or wait > t.dl - now then
                refuse(t, reason_for(kind, blocked), kind, name, dimension, 0, 0, wait)
                t.fp = '' -- it never waited, so there is no place to keep
                leave(L, t)
            else
                if t.why[1] == '' then note_why(t, kind, name, dimension) end
                tell(t.rep, {'w', t.id, position, wait, kind, name, dimension, t.dl - now})
            end
        end
    end
end

local operations = cmsgpack.unpack(ARGV[4])
if redis.call('ZADD', ROOT .. 'replicas', now, CALLER) == 1 and operations[1][1] ~= 'hello' then
    remove('replicas', CALLER)
    return cmsgpack.pack({now})
end
expiring['replicas'] = true
for _, replica in ipairs(
    redis.call('ZRANGEBYSCORE', ROOT .. 'replicas', '-inf', now - LEASE)
) do
    reap(replica)
end
for _, op in ipairs(operations) do
    OPERATIONS[op[1]](op)
end
if operations[#operations][1] == 'bye' then reap(CALLER) end
pump_touched()
answer_arrivals()
pump_touched()

local report = {}
for i, name in ipairs(pumped) do
    local L = lanes[name]
    report[i] = {name, L.next_us, L.owner}
end
for i, op in ipairs(snapshots) do
    local kind, name = string.match(op[2], '^(%a+):(.*)$')
    if kind == 'lane' then
        snapshots[i] = snapshot_lane(name, op[3])
    else
        snapshots[i] = snapshot_scope(op[2])
    end
end
save_all()
return cmsgpack.pack({now, events, report, snapshots})
