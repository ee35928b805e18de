"""Ramps: after a long rest, and after a 429 that names no limit, a lane does not go at full speed.

Providers refuse traffic that rises too fast, even within the limits (`ramp_limit_exceeded` of
Anthropic, `slow_down` of OpenAI, provider-facts A3 and B4, field-notes 13). So the buckets of a lane
that nobody has used for `ramp_idle_us` begin with the share `ramp_start` of what they hold and of
what flows into them, and grow to all of it within `ramp_over_us`, from the first call on.
"""

from .state import LaneState


def advance(lane: LaneState, now_us: int) -> None:
    """Work out at which pace the lane goes now."""
    idle = lane.in_flight == 0 and not any(lane.waiting)
    rests = idle and now_us - lane.used_us >= lane.ramp_idle_us
    if lane.ramp_idle_us > 0 and rests and lane.ramp_us < now_us:
        lane.ramp_us = now_us
    if lane.ramp_us == 0:
        lane.pace = 1
        return
    passed = now_us - lane.ramp_us
    if passed >= lane.ramp_over_us:
        lane.ramp_us, lane.pace = 0, 1
    else:
        share = passed / lane.ramp_over_us if passed > 0 else 0
        lane.pace = lane.ramp_start + (1 - lane.ramp_start) * share


def begin(lane: LaneState, at_us: int) -> None:
    """A ramp begins at that time, if there are ramps; until then the lane goes at its first pace."""
    if lane.ramp_over_us > 0 and at_us > lane.ramp_us:
        lane.ramp_us, lane.pace = at_us, lane.ramp_start


def configure(lane: LaneState, idle_us: int, start: float, over_us: int) -> None:
    """Change the settings; a ramp that has begun goes on under the new ones."""
    lane.ramp_idle_us, lane.ramp_start, lane.ramp_over_us = idle_us, start, over_us
