-- Puts a new revision of what was changed at run time in force, with its entries of the audit.
--
-- KEYS[1]  root of all key names, with one hash tag
-- ARGV[1]  the revision that the change was made on
-- ARGV[2]  msgpack: {{hash, field, value}...}, value '' deletes the field
-- ARGV[3]  msgpack: {entry...} for the audit
-- reply    the new revision, or -1 if ARGV[1] is not the one in force: nothing was done then
--
-- State, which never expires:
--   config:revision   counter
--   config:items      HASH COLLECTION/NAME to JSON
--   config:temporary  HASH id to JSON
--   config:reloads    HASH with one field: how often files were to be read again
--   audit             STREAM

local root = KEYS[1]
local revision = tonumber(redis.call('GET', root .. ':config:revision') or '0')
if revision ~= tonumber(ARGV[1]) then return -1 end
for _, change in ipairs(cmsgpack.unpack(ARGV[2])) do
    local key = root .. ':config:' .. change[1]
    if change[3] == '' then
        redis.call('HDEL', key, change[2])
    else
        redis.call('HSET', key, change[2], change[3])
    end
end
for _, entry in ipairs(cmsgpack.unpack(ARGV[3])) do
    redis.call('XADD', root .. ':audit', '*', 'entry', entry)
end
redis.call('SET', root .. ':config:revision', revision + 1)
redis.call('PUBLISH', root .. ':config:changed', revision + 1)
return revision + 1
