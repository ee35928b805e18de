-- Tell all replicas a breaker's state, unless a later one is known.
--
-- KEYS[1]  root of all key names, with one hash tag
-- ARGV[1]  the breaker: SCOPE/NAME
-- ARGV[2]  its order: generation, rank of the state, end of its open time; each a number
-- ARGV[3]  the state, as replicas write it
-- ARGV[4]  milliseconds for which states are kept after the last change
-- reply    1 if it was taken, 0 if a later one was known
--
-- State: breakers        hash: SCOPE/NAME -> the state; expires
--        breakers:order  hash: SCOPE/NAME -> its order; expires
-- Published on breakers:moved: SCOPE/NAME, a line feed, the state

local states, orders = KEYS[1] .. ':breakers', KEYS[1] .. ':breakers:order'
local known = redis.call('HGET', orders, ARGV[1])
if known then
    local mine, theirs = ARGV[2]:gmatch('%S+'), known:gmatch('%S+')
    for _ = 1, 3 do
        local a, b = tonumber(mine()), tonumber(theirs())
        if a < b then return 0 end
        if a > b then break end
        if _ == 3 then return 0 end
    end
end
redis.call('HSET', states, ARGV[1], ARGV[3])
redis.call('HSET', orders, ARGV[1], ARGV[2])
redis.call('PEXPIRE', states, ARGV[4])
redis.call('PEXPIRE', orders, ARGV[4])
redis.call('PUBLISH', KEYS[1] .. ':breakers:moved', ARGV[1] .. '\n' .. ARGV[3])
return 1
