-- Take turns of sessions, end the sessions that were idle, and say what became of both.
--
-- KEYS[1]  root of all key names, with one hash tag
-- ARGV[1]  milliseconds without a call after which a session is over
-- ARGV[2]  sessions at most; beyond, the oldest are over
-- ARGV[3]  contexts of one session at most; of further ones no turns are compared
-- ARGV[4]  msgpack: {session, milliseconds since its call began, since it ended, context,
--          prompt tokens, output tokens, session, ...}; a prompt of 0 is not compared
-- reply    {{prompt, prompt before, output before, prompt, ...},
--           {milliseconds from first call to last, calls, milliseconds, ...},
--           sessions that are open}
--
-- State: sessions       sorted set: session by the end of its last call, in milliseconds; expires
--        session:NAME   hash: began, ended, calls, c:CONTEXT -> "prompt output"; expires

local index, root = KEYS[1] .. ':sessions', KEYS[1] .. ':session:'
local idle, most, most_contexts = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local entries = cmsgpack.unpack(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local turns, over = {}, {}

local function whole(number)
    return string.format('%d', number)
end

local function finish(session)
    local name = root .. session
    local kept = redis.call('HMGET', name, 'began', 'ended', 'calls')
    redis.call('ZREM', index, session)
    redis.call('DEL', name)
    if kept[1] then
        over[#over + 1] = tonumber(kept[2]) - tonumber(kept[1])
        over[#over + 1] = tonumber(kept[3])
    end
end

local function compare(name, context, prompt, output)
    local field = 'c:' .. context
    local before = redis.call('HGET', name, field)
    if before then
        local prompt_before, output_before = string.match(before, '(%d+) (%d+)')
        turns[#turns + 1] = prompt
        turns[#turns + 1] = tonumber(prompt_before)
        turns[#turns + 1] = tonumber(output_before)
    elseif redis.call('HLEN', name) >= most_contexts + 3 then
        return
    end
    redis.call('HSET', name, field, whole(prompt) .. ' ' .. whole(output))
end

for _, session in ipairs(redis.call('ZRANGEBYSCORE', index, '-inf', whole(now - idle), 'LIMIT', 0, 200)) do
    finish(session)
end

for e = 1, #entries, 6 do
    local session, name = entries[e], root .. entries[e]
    local ended = whole(now - entries[e + 2])
    redis.call('HSETNX', name, 'began', whole(now - entries[e + 1]))
    redis.call('HSET', name, 'ended', ended)
    redis.call('HINCRBY', name, 'calls', 1)
    redis.call('ZADD', index, ended, session)
    if entries[e + 4] > 0 then
        compare(name, entries[e + 3], entries[e + 4], entries[e + 5])
    end
    redis.call('PEXPIRE', name, 2 * idle)
end

local open = redis.call('ZCARD', index)
if open > most then
    for _, session in ipairs(redis.call('ZRANGE', index, 0, open - most - 1)) do
        finish(session)
    end
    open = most
end
redis.call('PEXPIRE', index, 2 * idle)
return {turns, over, open}
