-- Ramps: after a long rest, and after a 429 that names no limit, a lane does not go at full speed.

-- What blobs of an earlier version lack.
function Ramp.default(s)
    s.use, s.rmp, s.rid, s.rst, s.rov = now, 0, 0, 1, 0
end

-- Work out at which pace the lane goes now.
function Ramp.advance(L)
    local s = L.s
    local idle = s.fl == 0 and s.cnt[1] + s.cnt[2] + s.cnt[3] == 0
    local rests = idle and now - s.use >= s.rid
    if s.rid > 0 and rests and s.rmp < now then s.rmp = now end
    L.pace = 1
    if s.rmp == 0 then return end
    local passed = now - s.rmp
    if passed >= s.rov then
        s.rmp = 0
    else
        L.pace = s.rst + (1 - s.rst) * (passed > 0 and passed / s.rov or 0)
    end
end

-- A ramp begins at that time, if there are ramps; until then the lane goes at its first pace.
function Ramp.begin(L, at)
    local s = L.s
    if s.rov > 0 and at > s.rmp then s.rmp, L.pace = at, s.rst end
end
