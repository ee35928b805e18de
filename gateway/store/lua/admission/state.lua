-- Admission: one call decides lane limits, budgets and the queue together, for all lanes.
--
-- The parts in this folder are joined in the order given in gateway/store/scripts.py and run as
-- one script. What they mean is written down, rule by rule, in the Python model
-- gateway/core/admission, whose modules have the same names; tests drive both with the same
-- operations and compare every reply and all state.
--
-- KEYS[1]  root of all key names, with one hash tag, so that everything is in one cluster slot
-- ARGV[1]  name of the calling replica
-- ARGV[2]  now in microseconds, or '' for the server's own clock (always '' outside tests)
-- ARGV[3]  microseconds after which a silent replica is dead
-- ARGV[4]  msgpack: list of operations, see operations.lua
-- reply    msgpack: {now_us, events, lanes, snapshots}, or {now_us} when this replica is not
--          known to the store and must send `hello` and its configuration first, or
--          {now_us, number} when a later batch of this replica has run already
--
-- State, all under the root; every key expires:
--   replicas             ZSET replica by last call
--   lanes                ZSET lane by last configuration, so that all can be listed
--   batch:R              STRING number of the last batch of a replica, living or dead
--   replica:R            ZSET tickets of a replica, waiting or admitted, by name
--   out:R                LIST events for a replica that were decided in another one's call
--   lane:L               BLOB lane: limits, buckets, blocks, queue sums, ledger
--   scope:S              BLOB budget of S = agent:NAME or team:NAME
--   ticket:T             BLOB one ticket
--   gone:FINGERPRINT     BLOB the place of a ticket that left without being served
--   flow:B|A|L           BLOB agent A's queue in band B of lane L: tag, sums
--   queue:B|A|L          ZSET its tickets by sequence number
--   active:B|L           ZSET flows that may be served, by tag
--   parked:B|S|L         ZSET flows (agents) that wait for budget S, by tag
--   soft:B|L             ZSET flows among these whose budget may be exceeded, by tag
--   wake:L               ZSET "B|S" by the time when the first of its parked flows may fit
--   groups:S             ZSET "B|L" of all places where flows wait for budget S
-- Agent and team names hold no '|', lane names may.

local ROOT, CALLER, LEASE = KEYS[1] .. ':', ARGV[1], tonumber(ARGV[3])
local SECOND, DAY = 1000000, 86400000000
local LIFETIME, LONG_LIFETIME, GONE_LIFETIME = 2 * 86400, 40 * 86400, 60
local BATCH_LIFETIME = 3600
local DIMENSIONS = {'rpm', 'itpm', 'otpm', 'tpm'}
local EPSILON = 1e-6 -- of a token: absorbs rounding when a caller comes back exactly on time
local FOREVER = 3600 * SECOND -- said when nobody can say how long

local now
if ARGV[2] == '' then
    local time = redis.call('TIME')
    now = time[1] * SECOND + time[2]
else
    now = tonumber(ARGV[2])
end

-- What the parts export. Functions are fields of few tables and not locals: Lua searches all open
-- locals for each closure that it makes, and it makes all of them in every call.
local State, Ramp, Lane, Budget, Queue, Predict, Pump, Inspect = {}, {}, {}, {}, {}, {}, {}, {}
local Run, Operations = {}, {}

local events, snapshots, outboxes, expiring = {}, {}, {}, {}
local touched, touched_set = {}, {}
local lanes, scopes, flows, tickets = {}, {}, {}, {}

function State.read(key)
    local blob = redis.call('GET', ROOT .. key)
    return blob and cmsgpack.unpack(blob)
end

-- ZSETs and lists get their expiry once, at the end.
function State.add(key, score, member)
    redis.call('ZADD', ROOT .. key, score, member)
    expiring[key] = true
end

function State.remove(key, member)
    return redis.call('ZREM', ROOT .. key, member)
end

function State.first(key)
    return redis.call('ZRANGE', ROOT .. key, 0, 0)[1]
end

-- Tell the replica that owns a ticket: in the reply if it is the caller, else by its outbox.
function State.tell(replica, event)
    if replica == CALLER then
        events[#events + 1] = event
    else
        local box = outboxes[replica]
        if not box then
            box = {}
            outboxes[replica] = box
        end
        box[#box + 1] = event
    end
end

function State.touch_lane(name)
    if not touched_set[name] then
        touched_set[name] = true
        touched[#touched + 1] = name
    end
end

function State.ticket_of(id)
    local t = tickets[id]
    if t == nil then
        t = State.read('ticket:' .. id) or false
        if t then t.id = id end
        tickets[id] = t
    end
    return t
end

function State.drop_ticket(t)
    tickets[t.id] = false
    redis.call('DEL', ROOT .. 'ticket:' .. t.id)
    State.remove('replica:' .. t.rep, t.id)
end

function State.save_all()
    for name, L in pairs(lanes) do
        redis.call('SET', ROOT .. 'lane:' .. name, cmsgpack.pack(L.s), 'EX', LIFETIME)
    end
    for name, S in pairs(scopes) do
        redis.call('SET', ROOT .. 'scope:' .. name, cmsgpack.pack(S.s), 'EX', LONG_LIFETIME)
    end
    for key, f in pairs(flows) do
        redis.call('SET', ROOT .. 'flow:' .. key, cmsgpack.pack(f), 'EX', LIFETIME)
    end
    for id, t in pairs(tickets) do
        if t and t.dirty then
            if t.dirty == 2 then -- admitted in this call: what the books say once it is over
                local L = lanes[t.L]
                t.aft, t.hel, t.cor, t.ep = L.s.lev, L.s.hel, L.s.cor, L.s.ep
            end
            t.dirty, t.id = nil, nil
            redis.call('SET', ROOT .. 'ticket:' .. id, cmsgpack.pack(t), 'EX', LIFETIME)
        end
    end
    for replica, box in pairs(outboxes) do
        redis.call('RPUSH', ROOT .. 'out:' .. replica, cmsgpack.pack(box))
        expiring['out:' .. replica] = true
    end
    for key in pairs(expiring) do
        redis.call('EXPIRE', ROOT .. key, LIFETIME)
    end
end
