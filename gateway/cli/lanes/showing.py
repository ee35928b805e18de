"""Lanes in tables."""

from typing import Any

from gateway.cli.output import emit, emit_table

_DIMENSIONS = ("rpm", "itpm", "otpm", "tpm")
HEADINGS = ("LANE", *(name.upper() for name in _DIMENSIONS), "IN FLIGHT", "WAITING", "BLOCKED")
_ONE = ("LIMIT", "PER MINUTE", "LEFT", "HELD", "SPENT", "WAITING", "DRIFT", "BLOCKED", "ORIGIN")


def row(lane: Any) -> tuple[str, ...]:
    """One lane in the list."""
    return (
        lane["name"],
        *(_left(limit) for limit in lane["limits"]),
        _in_flight(lane),
        str(sum(lane["waiting"].values())),
        blocked(lane),
    )


def show_one(lane: Any) -> None:
    """Print one lane."""
    from gateway.cli.wording import limit_in_words, moment, origin, seconds, whole

    models = ", ".join(lane["models"] or ()) or "a model of its own"
    emit(f"{lane['name']} of {lane['provider'] or 'another provider'}: {models}")
    waiting = ", ".join(f"{count} {band}" for band, count in lane["waiting"].items() if count)
    emit(
        f"{_in_flight(lane)} in flight, {seconds(lane['holding_s'])} each on average; "
        f"waiting: {waiting or 'none'}"
    )
    if lane["pace"] < 1:
        emit(f"Begins again slowly: {lane['pace']:.0%} of its limits are let through")
    for band, dimension in lane["saturated"].items():
        if dimension is not None:
            emit(f"Saturated for {band} calls: {limit_in_words('band', lane['name'], dimension)}")
    item = lane["configuration"]
    if item is not None and item["changed_at"]:
        emit(f"Changed while running by {item['changed_by']}, {moment(item['changed_at'])}")
    if lane["paused"] or lane["blocked_until"]:
        emit(f"Blocked: {blocked(lane)}")
    emit_table(
        _ONE,
        (
            (
                limit["dimension"],
                "none" if limit["limit"] is None else whole(limit["limit"]),
                "-" if limit["level"] is None else whole(limit["level"]),
                whole(limit["held"]),
                whole(limit["spent"]),
                whole(limit["waiting"]),
                whole(limit["drift"]),
                _clock(limit["blocked_until"]),
                origin(limit),
            )
            for limit in lane["limits"]
        ),
    )


def _left(limit: Any) -> str:
    from gateway.cli.wording import whole

    if limit["limit"] is None:
        return "-"
    return f"{whole(limit['level'])}/{whole(limit['limit'])}"


def _in_flight(lane: Any) -> str:
    most = lane["concurrency"]
    return str(lane["in_flight"]) if most is None else f"{lane['in_flight']}/{most}"


def blocked(lane: Any) -> str:
    """What stops a lane; `-`: nothing."""
    if lane["paused"]:
        return "paused"
    if lane["blocked_until"]:
        return f"until {_clock(lane['blocked_until'])}"
    named = [
        f"{limit['dimension']} until {_clock(limit['blocked_until'])}"
        for limit in lane["limits"]
        if limit["blocked_until"]
    ]
    return ", ".join(named) or "-"


def _clock(at: str | None) -> str:
    return "-" if at is None else f"{at[11:19]}Z"
