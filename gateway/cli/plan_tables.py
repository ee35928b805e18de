"""Plans as people read them."""

from math import inf
from typing import TYPE_CHECKING

from .output import emit, emit_table

if TYPE_CHECKING:
    from gateway.core.capacity import Bound, Capacity
    from gateway.core.cost_planning import Month

_UNITS = {"rpm": "request", "concurrency": "s"}


def show_capacity(found: "Capacity", agents: int) -> None:
    """What each limit carries, the one that binds first."""
    emit_table(
        ("LIMIT", "PER MINUTE", "ONE TAKES", "AGENTS", "LOAD", "WAIT", "WITH ONE MORE"),
        (_row(bound) for bound in found.bounds),
    )
    emit(
        f"The lane carries {found.agents} agents; {found.bounds[0].dimension} binds first. "
        f"LOAD and WAIT are those of {agents}."
    )


def _row(bound: "Bound") -> tuple[str, ...]:
    from .wording import whole

    unit = _UNITS.get(bound.dimension, "tokens")
    calls = bound.dimension == "concurrency"
    return (
        bound.dimension.value,
        f"{whole(bound.limit)} at once" if calls else whole(bound.limit),
        f"{bound.per_interaction:,.6g} {unit}",
        f"{bound.agents:,.1f}",
        f"{bound.load:.0%}",
        wait(bound.wait_s),
        wait(bound.wait_with_one_more_s),
    )


def wait(seconds_: float | None) -> str:
    """A mean wait; without end from a load of 1 on."""
    from .wording import seconds

    return "no end" if seconds_ is None or seconds_ == inf else seconds(seconds_)


def show_month(found: "Month", routed: str, batched: str) -> None:
    """A month as it is planned, and with each change for itself."""
    from .wording import whole

    rows = [("as planned", found.planned), ("without a prompt cache", found.uncached)]
    if routed:
        rows.append((routed, found.routed or 0))
    if batched:
        rows.append((batched, found.batched))
    if routed and batched:
        rows.append(("both", found.all_savings))
    if found.long:
        rows.append(("if prompts were short enough", found.short))
    planned = found.planned or 1
    emit(f"{whole(found.interactions)} interactions a month")
    emit_table(
        ("", "USD A MONTH", "TIMES"),
        ((text, usd(micro), f"{micro / planned:.2f}") for text, micro in rows),
    )


def usd(microusd: int) -> str:
    """Dollars and cents."""
    return f"{microusd / 1_000_000:,.2f}"


def count(number: float) -> str:
    """A number, or that there is none."""
    from .wording import whole

    if number == inf:
        return "no number of"
    return whole(number) if number >= 100 else f"{number:.1f}"
