"""The real clock: the one home of `time` in the gateway."""

import time


class SystemClock:
    """Implements `gateway.ports.Clock`."""

    monotonic = staticmethod(time.monotonic)  # noqa: TID251 - this is the clock port's home
    wall = staticmethod(time.time)  # noqa: TID251 - this is the clock port's home
