"""`gateway lanes`: the providers' limits, and how much of them is left."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from .failing import Failure
from .options import AsJson, Config, GatewayUrl
from .output import emit, emit_json, emit_table, say

app = typer.Typer(add_completion=False)

_DIMENSIONS = ("rpm", "itpm", "otpm", "tpm")
_HEADINGS = ("LANE", *(name.upper() for name in _DIMENSIONS), "IN FLIGHT", "WAITING", "BLOCKED")
_ONE = ("LIMIT", "PER MINUTE", "LEFT", "HELD", "SPENT", "WAITING", "DRIFT", "BLOCKED")


@app.command()
def lanes(
    name: Annotated[
        str | None, typer.Argument(metavar="[LANE]", help="Show one lane with all its figures.")
    ] = None,
    config: Config = None,
    url: GatewayUrl = None,
    as_json: AsJson = False,
) -> None:
    """List lanes with what is left of each limit, or show one."""
    from .admin_access import admin_api

    api = admin_api(config, url)
    if name is not None:
        found = api.find(f"lanes/{quote(name)}")
        if found is None:
            raise Failure(f"there is no lane {name}, or nothing has used it yet.")
        if as_json:
            emit_json(found)
        else:
            _show(found)
        return
    every = api.all("lanes")
    if as_json:
        emit_json(every)
    elif every:
        emit_table(_HEADINGS, (_row(lane) for lane in every))
    else:
        say("There are no lanes yet: none is configured, and nothing was called.")


def _row(lane: Any) -> tuple[str, ...]:
    return (
        lane["name"],
        *(_left(limit) for limit in lane["limits"]),
        _in_flight(lane),
        str(sum(lane["waiting"].values())),
        _blocked(lane),
    )


def _show(lane: Any) -> None:
    from .wording import limit_in_words, seconds, whole

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
    if lane["paused"] or lane["blocked_until"]:
        emit(f"Blocked: {_blocked(lane)}")
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
            )
            for limit in lane["limits"]
        ),
    )


def _left(limit: Any) -> str:
    from .wording import whole

    if limit["limit"] is None:
        return "-"
    return f"{whole(limit['level'])}/{whole(limit['limit'])}"


def _in_flight(lane: Any) -> str:
    most = lane["concurrency"]
    return str(lane["in_flight"]) if most is None else f"{lane['in_flight']}/{most}"


def _blocked(lane: Any) -> str:
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
