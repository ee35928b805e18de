"""`gateway breakers`: what is left alone because it fails, or because somebody said so."""

from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import quote

import typer

from .completing import names_of
from .failing import Failure
from .options import AsJson, Config, GatewayUrl
from .output import emit, emit_json, emit_table, say

app = typer.Typer(add_completion=False)

_HEADINGS = ("BREAKER", "STATE", "WHY", "SINCE", "UNTIL")


class Verb(StrEnum):
    """What can be done to a breaker."""

    OPEN = "open"
    CLOSE = "close"
    RESET = "reset"


@app.command()
def breakers(
    verb: Annotated[
        Verb | None,
        typer.Argument(
            help="Open until it is closed, close now, or close and forget.",
            metavar="[open|close|reset]",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[SCOPE/NAME]",
            help="The breaker, such as lane/sonnet; the scope may be left out where that is clear.",
            autocompletion=names_of("breakers"),
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Show those that never moved, too.")
    ] = False,
    config: Config = None,
    url: GatewayUrl = None,
    as_json: AsJson = False,
) -> None:
    """List breakers, or open, close and reset one."""
    from .admin_access import admin_api

    api = admin_api(config, url)
    if verb is None:
        found = [one for one in api.all("breakers") if everything or as_json or one["cause"]]
        if as_json:
            emit_json(found)
        elif found:
            emit_table(_HEADINGS, (_row(one) for one in found))
        else:
            say("All breakers are closed, and none has ever moved.")
        return
    if name is None:
        raise Failure(f"name the breaker: gateway breakers {verb.value} lane/NAME")
    moved = api.post(f"breakers/{quote(_whole(name, api.all('breakers')))}:{verb.value}")
    if moved is None:
        raise Failure(f"there is no breaker {name}: write provider/NAME, lane/NAME or agent/NAME.")
    if as_json:
        emit_json(moved)
    else:
        emit(f"{moved['scope']}/{moved['name']} is {moved['state'].replace('_', ' ')}.")


def _whole(name: str, known: list[Any]) -> str:
    """A name with its scope, which may be left out where only one breaker has that name."""
    found = [f"{one['scope']}/{one['name']}" for one in known]
    meant = [one for one in found if one.partition("/")[2] == name]
    if name in found or not meant:
        return name
    if len(meant) > 1:
        raise Failure(f"which one: {' or '.join(meant)}?")
    return meant[0]


def _row(one: Any) -> tuple[str, ...]:
    until = "until closed" if one["held"] else _clock(one["until"])
    why = one["evidence"] or one["cause"].replace("_", " ") or "-"
    return (
        f"{one['scope']}/{one['name']}",
        one["state"].replace("_", " "),
        why,
        _clock(one["since"]),
        until,
    )


def _clock(at: str | None) -> str:
    return "-" if at is None else f"{at[:10]} {at[11:19]}Z"
