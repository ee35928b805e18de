-- The pump of a lane: serves whoever is next until somebody has to be waited for.

function Pump.judge_size(L, t)
    local dimension, need, allowed = Lane.outgrown(L, t.c)
    if dimension then
        return 'refuse', 'larger_than_limit', 'lane', L.name, dimension, need, allowed, -1
    end
end

-- As sorted sets compare names: by bytes, whatever the server's locale.
function Pump.name_before(a, b)
    for i = 1, math.min(#a, #b) do
        local x, y = string.byte(a, i), string.byte(b, i)
        if x ~= y then return x < y end
    end
    return #a < #b
end

-- Whether others of the same budget, who come first, are waiting for it in this lane.
function Pump.behind(L, t, S, tag)
    if S.s.ng == 0 then return false end
    for b = 1, t.b do
        local key = ROOT .. 'parked:' .. b .. '|' .. S.name .. '|' .. L.name
        local head = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
        if head[1] then
            local first_tag = tonumber(head[2])
            if b < t.b or first_tag < tag then return true end
            if first_tag == tag and Pump.name_before(head[1], t.A) then return true end
        end
    end
    return false
end

function Pump.judge_budget(L, t, S, kind, id, tag, lending)
    local c = t.c
    local dimension, need, allowed, retry = Budget.outgrown(S, c)
    if dimension then
        return 'refuse', 'larger_than_limit', kind, id, dimension, need, allowed, -1
    end
    dimension, need, allowed, retry = Budget.overspent(S, c[7])
    if dimension then
        return 'refuse', 'spend', kind, id, dimension, need, allowed, retry
    end
    if lending and S.s.soft == 1 then return end
    local wait
    dimension, wait = Budget.binds(S, c[1], c[5] + c[6])
    if dimension then
        return 'park', S, dimension, wait < 0 and S.s.min or wait, S.s.soft == 1
    end
    if Pump.behind(L, t, S, tag) then
        return 'park', S, 'tpm', Budget.slot_width(S.s), S.s.soft == 1
    end
end

-- May this ticket, whose flow has this tag, go now, if it leaves what the band `like` must leave?
-- Returns what to do:
--   'serve'
--   'hold', dimension, wait, kind          only the lane keeps it back: nobody behind may pass
--   'park', budget, dimension, wait, soft  a budget keeps it back: others may pass
--   'refuse', reason, kind, name, dimension, need, allowed, retry
-- When `lending`, soft budgets do not bind, because the lane has capacity to spare.
function Pump.judge(L, t, tag, like, lending)
    local what, a1, a2, a3, a4, a5, a6, a7 = Pump.judge_size(L, t)
    if what then return what, a1, a2, a3, a4, a5, a6, a7 end
    local p1, p2, p3, p4
    for _, kind in ipairs({'agent', 'team'}) do
        local id = kind == 'agent' and t.A or t.T
        if id ~= '' then
            local S = Budget.of(kind .. ':' .. id)
            what, a1, a2, a3, a4, a5, a6, a7 = Pump.judge_budget(L, t, S, kind, id, tag, lending)
            if what == 'refuse' then return what, a1, a2, a3, a4, a5, a6, a7 end
            -- A hard budget is waited for before a soft one, the agent's before the team's.
            if what == 'park' and (not p1 or (p4 and not a4)) then
                p1, p2, p3, p4 = a1, a2, a3, a4
            end
        end
    end
    if p1 then return 'park', p1, p2, p3, p4 end
    local dimension, wait, blocked, kept = Lane.binds(L, t.c, like)
    if not dimension then return 'serve' end
    if blocked and wait >= 0 and now + wait > t.dl then
        return 'refuse', 'lane_blocked', 'lane', L.name, dimension, 0, 0, wait
    end
    return 'hold', dimension, wait, kept and 'band' or 'lane'
end

function Pump.grant(t)
    local why = t.why
    State.tell(t.rep, {'g', t.id, t.adm - t.arr, why[1], why[2], why[3]})
end

-- Take what the ticket needs from lane, agent and team together.
function Pump.admit(L, t, f)
    local s, b, c = L.s, t.b, t.c
    if f.tag > s.vt[b] then s.vt[b] = f.tag end
    t.cost = Queue.cost_of(L, c)
    f.tag = f.tag + t.cost / t.w
    s.sin[b] = now
    Lane.take(L, c)
    if t.ref then -- a 429 had refused it
        Lane.suspect(L, t.ref)
        t.ref = nil
    end
    Budget.take(Budget.of('agent:' .. t.A), c)
    if t.T ~= '' then Budget.take(Budget.of('team:' .. t.T), c) end
    t.st, t.adm, t.dirty = 1, now, 2
    Pump.grant(t)
end

function Pump.serve(L, t, f)
    local b, agent = t.b, t.A
    if f.st == 2 then
        Queue.reactivate(L, b, agent, f)
        f.sc = ''
    end
    local more = Queue.dequeue(L, t, f)
    Pump.admit(L, t, f)
    if more then
        State.add('active:' .. b .. '|' .. L.name, f.tag, agent)
    else
        Queue.deactivate(L, b, agent, f)
    end
    Queue.pass_on(f)
end

-- The band whose first ticket comes next, and whose floor it may use. A band that waited for one
-- period rises above the next (urgent excepted), after two above all.
function Pump.next_band(L)
    local s = L.s
    local best, rank, whose
    for b = 1, 3 do
        if s.act[b] > 0 then
            local r, like = b * 10, b
            if b > 1 and s.age > 0 then
                local waited = now - s.sin[b]
                if waited >= 2 * s.age then
                    r, like = 3 + b, 2 -- what is left for urgent calls stays theirs
                elseif b == 3 and waited >= s.age then
                    r, like = 15, 2
                end
            end
            if not rank or r < rank then best, rank, whose = b, r, like end
        end
    end
    return best, whose
end

-- Whose call goes before a waiting one: another agent's, its own (an earlier one), or nobody's ('').
function Pump.ahead(L, t, f)
    local band, leader = t.b, nil
    if f.st == 2 then
        leader = State.first('parked:' .. band .. '|' .. f.sc .. '|' .. L.name)
    else
        band = Pump.next_band(L)
        leader = State.first('active:' .. band .. '|' .. L.name)
    end
    if leader ~= t.A or band ~= t.b then return leader end
    return State.first('queue:' .. Queue.flow_key(t.b, t.A, L.name)) == t.id and '' or t.A
end

function Pump.note_why(t, kind, name, dimension)
    local why = t.why
    if why[1] ~= kind or why[2] ~= name or why[3] ~= dimension then
        t.why = {kind, name, dimension}
        t.dirty = t.dirty or 1
    end
end

function Pump.expire_late(L, t)
    if now <= t.dl then return false end
    Predict.refuse_wait(L, t, true)
    Queue.leave(L, t)
    return true
end

-- Serve everybody who is within budget. Returns the ticket that holds the lane, and its wait.
function Pump.serve_entitled(L)
    while true do
        local b, like = Pump.next_band(L)
        if not b then return end
        local agent = State.first('active:' .. b .. '|' .. L.name)
        local f = Queue.flow_of(b, agent, L.name)
        local t = State.ticket_of(State.first('queue:' .. Queue.flow_key(b, agent, L.name)))
        if not Pump.expire_late(L, t) then
            local what, a1, a2, a3, a4, a5, a6, a7 = Pump.judge(L, t, f.tag, like, false)
            if what == 'serve' then
                Pump.serve(L, t, f)
            elseif what == 'refuse' then
                Predict.refuse(t, a1, a2, a3, a4, a5, a6, a7)
                Queue.leave(L, t)
            elseif what == 'park' then
                local S = a1
                Pump.note_why(t, string.sub(S.name, 1, 5) == 'agent' and 'agent' or 'team',
                    string.match(S.name, ':(.*)'), a2)
                local from = f.sc
                f.sc = ''
                Queue.park(L, b, agent, f, S, a3, a4)
                if from ~= '' and from ~= S.name then Queue.touch_budget(Budget.of(from)) end
            else
                Pump.note_why(t, a3, L.name, a1)
                return t, a2
            end
        end
    end
end

-- Idle capacity is lent: serve one call beyond its soft budget. Returns whether one was served
-- or moved, or the ticket that the lane holds, and its wait.
function Pump.serve_lent(L)
    for b = 1, 3 do
        local agent = State.first('soft:' .. b .. '|' .. L.name)
        if agent then
            local f = Queue.flow_of(b, agent, L.name)
            local t = State.ticket_of(State.first('queue:' .. Queue.flow_key(b, agent, L.name)))
            if Pump.expire_late(L, t) then return true end
            local what, a1, a2, a3, a4, a5, a6, a7 = Pump.judge(L, t, f.tag, 3, true)
            if what == 'serve' then
                Pump.serve(L, t, f)
            elseif what == 'refuse' then
                Predict.refuse(t, a1, a2, a3, a4, a5, a6, a7)
                Queue.leave(L, t)
            elseif what == 'park' then -- a hard budget binds by now
                Queue.reactivate(L, b, agent, f)
                Queue.park(L, b, agent, f, a1, a3, a4)
            else
                return false, t, a2
            end
            return true
        end
    end
    return false
end

function Pump.wake_due(L)
    local due = redis.call('ZRANGEBYSCORE', ROOT .. 'wake:' .. L.name, '-inf', now)
    for _, group in ipairs(due) do
        Queue.wake_group(L, tonumber(string.sub(group, 1, 1)), string.sub(group, 3))
    end
end

-- When could the pump next serve somebody, and whose ticket would that be?
function Pump.next_time(L, held, wait)
    local s = L.s
    local at, owner = 0, ''
    if held and wait >= 0 then at, owner = now + wait, held.rep end
    local group = redis.call('ZRANGE', ROOT .. 'wake:' .. L.name, 0, 0, 'WITHSCORES')
    if group[1] then
        local time = tonumber(group[2])
        if at == 0 or time < at then
            local agent = State.first('parked:' .. group[1] .. '|' .. L.name)
            local queue = 'queue:' .. Queue.flow_key(string.sub(group[1], 1, 1), agent, L.name)
            at, owner = time, State.ticket_of(State.first(queue)).rep
        end
    end
    if held and s.age > 0 then -- a band that rises may use a lower floor
        for b = 2, 3 do
            if s.act[b] > 0 then
                for periods = 4 - b, 2 do
                    local time = s.sin[b] + periods * s.age
                    if time > now and (at == 0 or time < at) then at, owner = time, held.rep end
                end
            end
        end
    end
    return at, owner
end

function Pump.pump(L)
    local at, owner = 0, ''
    if L.s.cnt[1] + L.s.cnt[2] + L.s.cnt[3] > 0 then
        Pump.wake_due(L)
        local held, wait, more
        repeat
            more = false
            held, wait = Pump.serve_entitled(L)
            if not held then more, held, wait = Pump.serve_lent(L) end
        until not more
        at, owner = Pump.next_time(L, held, wait)
    end
    local told = L.s.tol
    if at > 0 and owner ~= CALLER and (owner ~= told[2] or at < told[1] - 1000) then
        State.tell(owner, {'n', L.name, at - now})
    end
    L.s.tol = {at, owner}
    L.next_us, L.owner = at > 0 and at - now or -1, owner
end
