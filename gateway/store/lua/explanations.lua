-- Keep explanations of finished calls for a while.
--
-- KEYS[1]  root of all key names, with one hash tag
-- ARGV[1]  milliseconds for which they are kept
-- ARGV[2]  msgpack: {request id, record, request id, record, ...}
-- reply    nothing
--
-- State: why:REQUEST_ID  JSON of the end of one call and its record; expires

local entries = cmsgpack.unpack(ARGV[2])
for i = 1, #entries, 2 do
    redis.call('SET', KEYS[1] .. ':why:' .. entries[i], entries[i + 1], 'PX', ARGV[1])
end
