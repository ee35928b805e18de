-- Add a batch to the accounts, exactly once.
--
-- KEYS[1]  root of all key names, with one hash tag
-- ARGV[1]  replica that sends it
-- ARGV[2]  its number: one higher with each batch of this replica
-- ARGV[3]  milliseconds for which an hour is kept after its end
-- ARGV[4]  rows of one hour; what would be more is put down to the folded row
-- ARGV[5]  msgpack: {key, hour in epoch seconds, {row, folded row, {amounts}, row, ...}, key, ...}
-- reply    1: added; 0: this batch had been added before
--
-- State: usage:calls:HOUR, usage:tags:HOUR  hash: row (JSON) -> msgpack of its amounts; expire
--        usage:done:REPLICA  number of its last batch; expires

local root = KEYS[1] .. ':usage:'
local done = root .. 'done:' .. ARGV[1]
local number = tonumber(ARGV[2])
if tonumber(redis.call('GET', done) or '0') >= number then
    return 0
end

local keep_ms, max_rows = tonumber(ARGV[3]), tonumber(ARGV[4])
local hours = cmsgpack.unpack(ARGV[5])
for h = 1, #hours, 3 do
    local key = root .. hours[h] .. ':' .. string.format('%d', hours[h + 1])
    local entries = hours[h + 2]
    local rows = redis.call('HLEN', key)
    for e = 1, #entries, 3 do
        local row, amounts = entries[e], entries[e + 2]
        local kept = redis.call('HGET', key, row)
        if not kept and rows >= max_rows then
            row = entries[e + 1]
            kept = redis.call('HGET', key, row)
        end
        if kept then
            local sums = cmsgpack.unpack(kept)
            for i = 1, #amounts do
                amounts[i] = amounts[i] + (sums[i] or 0)
            end
        else
            rows = rows + 1
        end
        redis.call('HSET', key, row, cmsgpack.pack(amounts))
    end
    redis.call('PEXPIREAT', key, string.format('%d', (hours[h + 1] + 3600) * 1000 + keep_ms))
end
redis.call('SET', done, ARGV[2], 'PX', 86400000)
return 1
