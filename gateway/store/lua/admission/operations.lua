-- The operations, and the run of one call: reap, operate, pump, report.
--
--   batch number                                  first of all: which batch of this replica it is
--   hello again blind_us                          first of a replica that is new or was forgotten;
--                                                 for so long budgets that were lost are blind
--   bye                                           this replica ends: its tickets go at once
--   configure scope settings stamp                scope: lane:NAME, agent:NAME, team:NAME; an
--                                                 older stamp {revision, loaded} changes nothing
--   arrive ticket lane agent team band weight charge max_wait_us fingerprint is_retry
--   requeue (as arrive)                           reservation back, wait again in the old place
--   cancel ticket timed_out                       leave, or give everything back
--   dismiss ticket reason retry_us                refuse it, as an operator wants
--   move ticket band                              another priority, as an operator wants
--   head ticket lane {dimension limit remaining granularity}...
--   amend ticket lane charge                      it waits, and will take this much instead
--   extend ticket lane output_tokens
--   settle ticket lane charge
--   block lane dimensions for_us | unblock lane | pause lane | resume lane
--   beat {ticket...}                              these wait here, as far as the replica knows:
--                                                 it is told what the first 64 can expect
--   audit after_ticket                            name the next of the caller's own tickets
--   disown ticket                                 the caller knows nothing of it
--   tick lane                                     pump only
--   inspect scope with_queue
--
-- charge: {requests, lane input, lane output, lane tokens, input, output, micro-dollars};
-- -1 stands for "no limit" and "not told"; dimensions are numbered rpm itpm otpm tpm all.
-- Events: {'g' ticket waited_us kind name dimension}, {'r' ticket reason kind name dimension need
-- allowed retry_us}, {'w' ticket position predicted_us kind name dimension left_us ahead},
-- {'u' ticket}, {'n' lane next_us}, {'o' last_ticket {ticket...}}.

local TOLD_AT_ONCE = 64 -- by one beat: to work out what a ticket can expect takes a while
local arrivals, asked = {}, {}
local NOTHING = {0, 0, 0, 0, 0, 0, 0}

function Run.each_scope(t, act)
    act(Budget.of('agent:' .. t.A))
    if t.T ~= '' then act(Budget.of('team:' .. t.T)) end
end

-- End an admitted ticket: from what was reserved to what was used.
function Run.settle(t, actual)
    local L = Lane.of(t.L)
    local held_us = now - t.adm
    Lane.settle(L, t.c, actual, actual[1] > 0 and held_us or L.s.hold)
    Queue.charge_flow(L, t, (actual[1] > 0 and Queue.cost_of(L, actual) or 0) - t.cost)
    Run.each_scope(t, function(S)
        Budget.settle(S, t.c, actual, t.adm, actual[1] > 0 and held_us or S.s.hold)
        Queue.touch_budget(S)
    end)
    State.touch_lane(t.L)
    State.drop_ticket(t)
end

-- A ticket that nobody answers for: what it held comes back, what it was charged stays spent.
function Run.give_up(t)
    if t.st == 0 then
        Queue.leave(Lane.of(t.L), t)
        return
    end
    Lane.expire(Lane.of(t.L), t.c)
    Run.each_scope(t, function(S)
        Budget.expire(S, t.c)
        Queue.touch_budget(S)
    end)
    State.touch_lane(t.L)
    State.drop_ticket(t)
end

function Run.reap(replica)
    local ids = redis.call('ZRANGE', ROOT .. 'replica:' .. replica, 0, -1)
    for _, id in ipairs(ids) do
        local t = State.ticket_of(id)
        if t then Run.give_up(t) end
    end
    redis.call('DEL', ROOT .. 'replica:' .. replica, ROOT .. 'out:' .. replica)
    State.remove('replicas', replica)
    redis.call('INCR', ROOT .. 'batch:' .. replica) -- what is still on its way is late
    redis.call('EXPIRE', ROOT .. 'batch:' .. replica, BATCH_LIFETIME)
end

-- The place that an earlier try of the same call had, if it is still kept.
function Run.kept_place(t)
    local gone = State.read('gone:' .. t.fp)
    if gone and gone.L == t.L and gone.A == t.A and gone.b == t.b and now < gone.till then
        redis.call('DEL', ROOT .. 'gone:' .. t.fp)
        return gone
    end
end

function Run.accept(t)
    tickets[t.id] = t
    t.dirty = t.dirty or 1
    State.add('replica:' .. CALLER, 0, t.id)
end

-- Nobody waits in this lane, or for these budgets: the ticket need not be queued to be served.
-- Returns whether it was dealt with.
function Run.pass_through(L, t)
    local s, b = L.s, t.b
    if s.act[1] + s.act[2] + s.act[3] > 0 then return false end
    if Budget.of('agent:' .. t.A).s.ng > 0 then return false end
    if t.T ~= '' and Budget.of('team:' .. t.T).s.ng > 0 then return false end
    local f = Queue.flow_of(b, t.A, L.name)
    if f.n > 0 then return false end
    local tag = s.vt[b] > f.tag and s.vt[b] or f.tag
    local what, a1, a2, a3, a4, a5, a6, a7 = Pump.judge(L, t, tag, b, false)
    if what == 'refuse' then
        Predict.refuse(t, a1, a2, a3, a4, a5, a6, a7)
        return true
    end
    if what ~= 'serve' then return false end
    f.tag, f.w = tag, t.w
    s.seq = s.seq + 1
    t.seq = s.seq
    Pump.admit(L, t, f)
    Run.accept(t)
    return true
end

function Run.queue_up(L, t, is_retry)
    local s = L.s
    local depth = 0
    for b = 1, t.b do -- whoever goes behind it takes no place from it
        depth = depth + s.cnt[b]
    end
    if depth >= s.dep then
        local _, wait = Predict.wait(L, t, Queue.flow_of(t.b, t.A, L.name), false)
        Predict.refuse(t, 'queue_full', 'lane', L.name, 'rpm', depth, s.dep, wait)
        return
    end
    local place = is_retry == 1 and t.fp ~= '' and Run.kept_place(t)
    if place then
        t.seq = place.seq
    else
        s.seq = s.seq + 1
        t.seq = s.seq
    end
    Run.accept(t)
    Queue.enqueue(L, t, place and place.tag or -1)
    arrivals[#arrivals + 1] = t.id
end

-- What to say of a ticket that is known already (its replica did not hear the first time).
function Run.say_again(t)
    if t.rep ~= CALLER then return end
    if t.st == 1 then
        Pump.grant(t)
    else
        State.touch_lane(t.L)
        arrivals[#arrivals + 1] = t.id
    end
end

-- A batch holds arrivals by band, so that of two which come together the more urgent is first.
function Operations.arrive(op)
    local known = State.ticket_of(op[2])
    if known then return Run.say_again(known) end
    local t = {
        id = op[2], L = op[3], A = op[4], T = op[5], b = op[6], w = op[7], c = op[8],
        rep = CALLER, arr = now, dl = now + op[9], seq = 0, st = 0, adm = 0, cost = 0,
        why = {'', '', ''}, fp = op[10]
    }
    local L = Lane.of(t.L)
    State.touch_lane(t.L)
    if not Run.pass_through(L, t) then Run.queue_up(L, t, op[11]) end
end

-- The provider refused the call: everything comes back, but it counted the request.
function Operations.requeue(op)
    local t = State.ticket_of(op[2])
    if not t then return Operations.arrive(op) end
    if t.st == 0 then return Run.say_again(t) end
    local L = Lane.of(t.L)
    local s, c = L.s, t.c
    Lane.settle(L, c, {c[1], 0, 0, 0}, s.hold)
    for d = 2, 4 do -- behind a block the bucket is empty, but for this call
        if L.cap[d] >= 0 and s.blk[d] > now then
            local level = c[d] - L.rate[d] * L.pace * (s.blk[d] - now)
            if level < s.lev[d] then s.lev[d] = level end
        end
    end
    Queue.charge_flow(L, t, -t.cost)
    Run.each_scope(t, function(S)
        Budget.settle(S, c, NOTHING, t.adm, S.s.hold)
        Queue.touch_budget(S)
    end)
    State.remove('replica:' .. t.rep, t.id)
    t.c, t.st, t.rep, t.cost, t.dirty, t.ref = op[8], 0, CALLER, 0, 1, {}
    for d = 1, 4 do
        if s.blk[d] > now and L.cap[d] >= 0 then t.ref[#t.ref + 1] = d end
    end
    Run.accept(t)
    Queue.enqueue(L, t, 0)
    State.touch_lane(t.L)
    arrivals[#arrivals + 1] = t.id
end

function Operations.cancel(op)
    local t, timed_out = State.ticket_of(op[2]), op[3] == 1
    if not t then
        if timed_out then State.tell(CALLER, {'u', op[2]}) end
    elseif t.st == 1 then -- the grant is on its way
        if timed_out then Pump.grant(t) else Run.settle(t, NOTHING) end
    else
        local L = Lane.of(t.L)
        if timed_out then Predict.refuse_wait(L, t, true) end
        Queue.leave(L, t)
    end
end

function Operations.head(op)
    local L, t = Lane.of(op[3]), State.ticket_of(op[2])
    if t and t.L ~= op[3] then t = false end
    for _, seen in ipairs(op[4]) do
        if seen[2] >= 0 and seen[2] ~= L.s.lrn[seen[1]] then
            Lane.reshape(L, function(s) s.lrn[seen[1]] = seen[2] end, 1)
        end
    end
    for _, seen in ipairs(op[4]) do
        if seen[3] >= 0 then Lane.correct(L, t, seen[1], seen[3], seen[4]) end
    end
    State.touch_lane(op[3])
end

function Operations.amend(op)
    local t = State.ticket_of(op[2])
    if t and t.st == 0 and t.rep == CALLER then Queue.recharge(Lane.of(t.L), t, op[4]) end
end

function Operations.extend(op)
    local t, output = State.ticket_of(op[2]), op[4]
    if not t or t.st ~= 1 then return end
    local c = t.c
    Lane.grow(Lane.of(t.L), c, {c[1], c[2], output, c[2] + output})
    if output > c[6] then
        Run.each_scope(t, function(S) Budget.grow(S, output - c[6]) end)
        c[6] = output
    end
    t.dirty = t.dirty or 1
end

function Operations.settle(op)
    local t = State.ticket_of(op[2])
    if t and t.st == 1 then Run.settle(t, op[4]) end
end

function Operations.dismiss(op)
    local t = State.ticket_of(op[2])
    if t and t.st == 0 then
        local L = Lane.of(t.L)
        State.tell(t.rep, {'r', t.id, op[3], 'lane', t.L, 'rpm', 0, 0, op[4]})
        t.fp = ''
        Queue.leave(L, t)
    end
end

function Operations.move(op)
    local t = State.ticket_of(op[2])
    if t and t.st == 0 and t.b ~= op[3] then
        Queue.move(Lane.of(t.L), t, op[3])
        asked[#asked + 1] = t.id
    end
end

function Operations.block(op)
    local L = Lane.of(op[2])
    for _, d in ipairs(op[3]) do
        Lane.block(L, d, now + op[4])
    end
    State.touch_lane(op[2])
end

function Operations.unblock(op)
    local L = Lane.of(op[2])
    local s = L.s
    for d = 1, 4 do
        local left = (s.blk[d] > s.blk[5] and s.blk[d] or s.blk[5]) - now
        if left > 0 and L.cap[d] >= 0 then
            local level = s.lev[d] + L.rate[d] * L.pace * left
            s.lev[d] = level < L.cap[d] and level or L.cap[d]
        end
    end
    s.blk = {0, 0, 0, 0, 0}
    if s.rmp > now then s.rmp = now end
    State.touch_lane(op[2])
end

function Operations.pause(op)
    Lane.of(op[2]).s.pau = op[1] == 'pause' and 1 or 0
    State.touch_lane(op[2])
end

function Operations.beat(op)
    for _, id in ipairs(op[2]) do
        local t = State.ticket_of(id)
        if not t then
            State.tell(CALLER, {'u', id})
        elseif t.st == 1 then
            if t.rep == CALLER then Pump.grant(t) end
        else
            State.touch_lane(t.L)
            if #asked < TOLD_AT_ONCE then asked[#asked + 1] = id end
        end
    end
end

-- The caller compares them with its own, a few at a time.
function Operations.audit(op)
    local from = op[2] == '' and '-' or '(' .. op[2]
    local ids = redis.call('ZRANGEBYLEX', ROOT .. 'replica:' .. CALLER, from, '+', 'LIMIT', 0, 32)
    if #ids > 0 then State.tell(CALLER, {'o', #ids < 32 and '' or ids[32], ids}) end
end

function Operations.disown(op)
    local t = State.ticket_of(op[2])
    if t and t.rep == CALLER then Run.give_up(t) end
end

-- Whether a configuration is not older than the one in force, which it then replaces.
function Run.newer(s, stamp)
    local old, new = s.stp or {0, 0}, stamp or {0, 0}
    if new[1] < old[1] or (new[1] == old[1] and new[2] < old[2]) then return false end
    s.stp = new
    return true
end

function Run.configure_lane(name, to, stamp)
    local L = Lane.of(name)
    if not Run.newer(L.s, stamp) then return end
    -- After the store has lost what it knew, the provider's bucket is hardly full.
    local filled = State.cautious and not L.known and Lane.FILLED_AGAIN or 1
    Lane.reshape(L, function(s)
        s.lim, s.con, s.mar, s.flo = to.limits, to.concurrency, to.margin, to.floors
        s.min, s.dep, s.age = to.minute_us, to.max_depth, to.ageing_us
        local ramp = to.ramp or {0, 1, 0}
        s.rid, s.rst, s.rov = ramp[1], ramp[2], ramp[3]
    end, filled)
    Ramp.advance(L)
    State.add('lanes', now, name)
    redis.call('ZREMRANGEBYSCORE', ROOT .. 'lanes', '-inf', now - LIFETIME * SECOND)
    State.touch_lane(name)
end

function Run.configure_budget(name, to, stamp)
    local S = Budget.of(name)
    local s = S.s
    if not Run.newer(s, stamp) then return end
    if s.min ~= to.minute_us then -- other slots: what was used counts as used now
        local tokens, requests = s.wt, s.wr
        s.min, s.win, s.wt, s.wr = to.minute_us, {}, 0, 0
        if tokens > 0 or requests > 0 then Budget.window_add(s, tokens, requests) end
    end
    s.lim, s.soft = to.limits, to.soft
    if State.cautious and not S.known then s.bli = now + State.blind end
    Queue.touch_budget(S)
end

function Operations.configure(op)
    local kind, name = string.match(op[2], '^(%a+):(.*)$')
    if kind == 'lane' then
        Run.configure_lane(name, op[3], op[4])
    else
        Run.configure_budget(op[2], op[3], op[4])
    end
end

function Operations.inspect(op)
    snapshots[#snapshots + 1] = op
end

function Operations.tick(op)
    State.touch_lane(op[2])
end

function Operations.hello(op)
    State.cautious, State.blind = op[2] == 1, op[3] or 0
end

function Operations.bye() end

Operations.batch, Operations.resume = Operations.bye, Operations.pause

local pumped, pumped_at = {}, {}

function Run.pump_touched()
    local i = 1
    while touched[i] do
        local name = touched[i]
        Pump.pump(Lane.of(name))
        touched_set[name] = nil
        if not pumped_at[name] then
            pumped[#pumped + 1] = name
            pumped_at[name] = true
        end
        i = i + 1
    end
    touched = {}
end

-- What a waiting ticket can expect. A wait of which nothing is known but its cause has that cause.
function Run.tell_expected(L, t, position, wait, kind, name, dimension)
    if wait == 0 and t.why[1] ~= '' then kind, name, dimension = t.why[1], t.why[2], t.why[3] end
    local ahead = Pump.ahead(L, t, Queue.flow_of(t.b, t.A, L.name))
    local left = t.dl - now
    State.tell(t.rep, {'w', t.id, position, wait, kind, name, dimension, left, ahead})
end

-- Those who must wait are told how long, or refused if that is longer than they may.
function Run.answer_arrivals()
    for _, id in ipairs(arrivals) do
        local t = State.ticket_of(id)
        if t and t.st == 0 then
            local L = Lane.of(t.L)
            local position, wait, kind, name, dimension, blocked =
                Predict.wait(L, t, Queue.flow_of(t.b, t.A, L.name), true)
            if now >= t.dl or wait > t.dl - now then
                local reason = Predict.reason_for(kind, blocked)
                Predict.refuse(t, reason, kind, name, dimension, 0, 0, wait)
                t.fp = '' -- it never waited, so there is no place to keep
                Queue.leave(L, t)
            else
                if t.why[1] == '' then Pump.note_why(t, kind, name, dimension) end
                Run.tell_expected(L, t, position, wait, kind, name, dimension)
            end
        end
    end
end

-- Those who wait already are told again, whatever they may expect by now.
function Run.answer_asked()
    for _, id in ipairs(asked) do
        local t = State.ticket_of(id)
        if t and t.st == 0 then
            local L = Lane.of(t.L)
            Run.tell_expected(L, t, Predict.wait(L, t, Queue.flow_of(t.b, t.A, L.name), true))
        end
    end
end

local operations = cmsgpack.unpack(ARGV[4])
local number = operations[1][1] == 'batch' and operations[1][2]
local first = operations[number and 2 or 1]
if not redis.call('ZSCORE', ROOT .. 'replicas', CALLER) and not (first and first[1] == 'hello') then
    return cmsgpack.pack({now})
end
if number then
    local key = ROOT .. 'batch:' .. CALLER
    local last = tonumber(redis.call('SET', key, number, 'EX', BATCH_LIFETIME, 'GET') or 0)
    if number < last then -- it was given up long ago, and arrives only now
        redis.call('SET', key, last, 'EX', BATCH_LIFETIME)
        return cmsgpack.pack({now, last})
    end
end
State.add('replicas', now, CALLER)
for _, replica in ipairs(
    redis.call('ZRANGEBYSCORE', ROOT .. 'replicas', '-inf', now - LEASE)
) do
    Run.reap(replica)
end
for _, op in ipairs(operations) do
    Operations[op[1]](op)
end
if operations[#operations][1] == 'bye' then Run.reap(CALLER) end
Run.pump_touched()
Run.answer_arrivals()
Run.pump_touched()
Run.answer_asked()

local report = {}
for i, name in ipairs(pumped) do
    local L = lanes[name]
    report[i] = {name, L.next_us, L.owner}
end
for i, op in ipairs(snapshots) do
    local kind, name = string.match(op[2], '^(%a+):(.*)$')
    if kind == 'lane' then
        snapshots[i] = Inspect.lane(name, op[3])
    else
        snapshots[i] = Inspect.budget(op[2])
    end
end
State.save_all()
return cmsgpack.pack({now, events, report, snapshots})
