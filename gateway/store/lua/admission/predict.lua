-- How long a ticket will wait, from sums: nobody is asked, nothing is walked through.

-- Returns position, wait in microseconds, and what binds: kind, name, dimension, blocked.
-- `queued` says whether the sums already contain the ticket.
function Predict.wait(L, t, f, queued)
    local s, b, c = L.s, t.b, t.c
    local weight, weights = f.w, s.wgt[b]
    if f.n == 0 then
        weight, weights = t.w, weights + t.w
    end
    local ratio = weights / weight
    local mine = queued and 0 or 1 -- what the sums lack
    -- Those ahead: everybody above, and in the own band what fair shares let by meanwhile.
    local function ahead(above, band, own, this)
        local others, share = band - (1 - mine) * this, (own + mine * this) * ratio - this
        if share > others then share = others end
        return above + (share > 0 and share or 0)
    end
    local calls = s.cnt[1] * (b > 1 and 1 or 0) + s.cnt[2] * (b > 2 and 1 or 0)
    local before = math.floor(ahead(calls, s.cnt[b], f.n, 1))
    local kind, name, dimension, wait, blocked = 'lane', L.name, 'rpm', 0, s.pau == 1
    if blocked then wait = FOREVER end
    if s.blk[5] - now > wait then wait, blocked = s.blk[5] - now, true end
    for d = 1, 4 do
        if c[d] > 0 then
            if s.blk[d] > now then
                blocked = true
                if s.blk[d] - now > wait then
                    kind, dimension, wait = 'lane', DIMENSIONS[d], s.blk[d] - now
                end
            end
            local cap = L.cap[d]
            if cap > 0 then
                local above = (b > 1 and s.sum[1][d] or 0) + (b > 2 and s.sum[2][d] or 0)
                local first = ahead(above, s.sum[b][d], f.sum[d], c[d])
                local missing = first + Lane.need(L, d, c[d], b) - s.lev[d]
                if missing > EPSILON then
                    local time = math.ceil(missing / (L.rate[d] * L.pace))
                    if time > wait then
                        kind = first + c[d] <= s.lev[d] and 'band' or 'lane'
                        dimension, wait = DIMENSIONS[d], time
                    end
                end
            end
        end
    end
    if s.con > 0 then
        local missing = before + 1 - (s.con - s.fl)
        if missing > 0 then
            local time = math.ceil(s.hold * missing / s.con)
            if time > wait or wait == 0 then
                kind, dimension, wait = 'lane', 'concurrency', time
            end
        end
    end
    local tokens, requests = f.tok + mine * (c[5] + c[6]), f.n + mine
    local lent = s.act[1] + s.act[2] + s.act[3] == 0 -- nobody else wants the lane
    for _, who in ipairs({'agent', 'team'}) do
        local id = who == 'agent' and t.A or t.T
        if id ~= '' then
            local S = Budget.of(who .. ':' .. id)
            local bound, time
            if not (lent and S.s.soft == 1) then
                bound, time = Budget.binds(S, requests, tokens)
            end
            if bound == 'concurrency' then time = math.ceil(S.s.hold * requests / S.s.lim[3]) end
            local of_lane = kind == 'lane' or kind == 'band'
            if bound and (time > wait or (time == wait and of_lane and not blocked)) then
                kind, name, dimension, wait = who, id, bound, time
            end
        end
    end
    return before + 1, wait, kind, name, dimension, blocked
end

function Predict.reason_for(kind, blocked)
    if kind == 'agent' then return 'agent_budget' end
    if kind == 'team' then return 'team_budget' end
    return blocked and 'lane_blocked' or 'queue_timeout'
end

function Predict.refuse(t, reason, kind, name, dimension, need, allowed, retry_us)
    State.tell(t.rep, {'r', t.id, reason, kind, name, dimension, need, allowed, retry_us})
end

-- Refuse because waiting would be, or was, too long.
function Predict.refuse_wait(L, t, queued)
    local f = Queue.flow_of(t.b, t.A, L.name)
    local _, wait, kind, name, dimension, blocked = Predict.wait(L, t, f, queued)
    Predict.refuse(t, Predict.reason_for(kind, blocked), kind, name, dimension, 0, 0, wait)
end
