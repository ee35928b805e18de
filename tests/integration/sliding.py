"""What the provider's log says of a budget: the most that any sliding window holds."""

from collections import deque
from collections.abc import Iterable

from gateway.simulator import CallRecord


def tokens_seen(log: Iterable[CallRecord]) -> list[tuple[float, int]]:
    """When tokens were used: input as a call arrives, output as it ends. In order of time."""
    seen: list[tuple[float, int]] = []
    for one in log:
        seen.append((one.started_s, one.input_tokens))
        seen.append((one.ended_s, one.output_tokens))
    return sorted(seen)


def most_in_window(seen: Iterable[tuple[float, int]], window_s: float) -> int:
    """The largest sum of any window of this length."""
    window: deque[tuple[float, int]] = deque()
    total = most = 0
    for at_s, amount in seen:
        window.append((at_s, amount))
        total += amount
        while window[0][0] <= at_s - window_s:
            total -= window.popleft()[1]
        most = max(most, total)
    return most
