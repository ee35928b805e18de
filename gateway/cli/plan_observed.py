"""`gateway plan` from what a running gateway has observed."""

from pathlib import Path
from typing import Any

from .output import emit_json, emit_table, say

_HEADINGS = ("LANE", "AGENTS", "CARRIES", "BINDS", "LOAD", "WAIT", "WITH ONE MORE", "HIT",
             "USD A MONTH", "WITHOUT CACHE")  # fmt: skip


def show_observed(
    config: Path | None, url: str | None, hours: int, agents: int | None, *, as_json: bool
) -> None:
    """What each lane carries."""
    from .admin_access import admin_api

    found = admin_api(config, url).all("capacity", hours=hours, agents=agents)
    if as_json:
        emit_json(found)
    elif found:
        emit_table(_HEADINGS, (_row(lane) for lane in found))
    else:
        say(f"Nothing was called in the last {hours} h. To plan from figures: gateway plan lane.")


def _row(lane: Any) -> tuple[str, ...]:
    from .plan import wait
    from .wording import whole

    first = lane["limits"][0] if lane["limits"] else None
    return (
        lane["lane"],
        whole(lane["agents"]),
        "-" if lane["sustainable_agents"] is None else whole(lane["sustainable_agents"]),
        lane["binding"] or "-",
        "-" if first is None else f"{first['load']:.0%}",
        "-" if first is None else wait(first["wait_s"]),
        "-" if first is None else wait(first["wait_with_one_more_s"]),
        f"{lane['cache_hit_ratio']:.0%}",
        f"{lane['month_microusd'] / 1_000_000:,.2f}",
        f"{lane['month_uncached_microusd'] / 1_000_000:,.2f}",
    )
