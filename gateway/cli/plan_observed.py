"""`gateway plan` from what a running gateway has observed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .output import emit_json, emit_table, say

_HEADINGS = ("LANE", "AGENTS", "CARRIES", "BINDS", "LOAD", "WAIT", "WITH ONE MORE", "HIT",
             "USD A MONTH", "WITHOUT CACHE")  # fmt: skip

_ROUTE, _BATCH = ("route_to", "route_share"), ("batch_share",)
_CHANGES = (
    (_ROUTE, "ROUTED", "month_routed_microusd"),
    (_BATCH, "BATCHED", "month_batched_microusd"),
    ((*_ROUTE, *_BATCH), "BOTH", "month_all_microusd"),
)


def show_observed(
    config: Path | None, url: str | None, query: Mapping[str, Any], *, as_json: bool
) -> None:
    """What each lane carries."""
    from .admin_access import admin_api

    found = admin_api(config, url).all("capacity", **query)
    if as_json:
        emit_json(found)
    elif found:
        changes = [
            (heading, field)
            for option, heading, field in _CHANGES
            if all(query[name] for name in option)
        ]
        headings = (*_HEADINGS, *(heading for heading, _ in changes))
        emit_table(headings, (_row(lane, [field for _, field in changes]) for lane in found))
    else:
        say(
            f"Nothing was called in the last {query['hours']} h. To plan from figures: gateway plan lane."
        )


def _row(lane: Any, changed: list[str]) -> tuple[str, ...]:
    from .plan_tables import wait
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
        *(
            f"{lane[field] / 1_000_000:,.2f}"
            for field in ("month_microusd", "month_uncached_microusd", *changed)
        ),
    )
