"""`gateway queue`: who waits, for what, and for how long still."""

from typing import Annotated, Any

import typer

from .options import AsJson, Config, GatewayUrl
from .output import emit_json, emit_table, say

app = typer.Typer(add_completion=False)

_HEADINGS = ("LANE", "PLACE", "REQUEST", "AGENT", "PRIORITY", "WAITED", "EXPECTED", "WAITS FOR")


@app.command()
def queue(
    lane: Annotated[
        str | None, typer.Option("--lane", metavar="NAME", help="Only this lane.")
    ] = None,
    agent: Annotated[
        str | None, typer.Option("--agent", "-a", metavar="NAME", help="Only this agent's calls.")
    ] = None,
    config: Config = None,
    url: GatewayUrl = None,
    as_json: AsJson = False,
) -> None:
    """List the calls that wait, in the order in which they will go."""
    from .admin_access import admin_api

    waiting = admin_api(config, url).all("queue", lane=lane, agent=agent)
    if as_json:
        emit_json(waiting)
    elif waiting:
        emit_table(_HEADINGS, (_row(call) for call in waiting))
    else:
        say("Nobody waits.")


def _row(call: Any) -> tuple[str, ...]:
    from .wording import limit_in_words, seconds

    bound = call["bound"]
    return (
        call["lane"],
        str(call["position"]),
        call["request_id"],
        call["agent"],
        call["priority"],
        seconds(call["waited_s"]),
        seconds(call["eta_s"]),
        "its turn" if bound is None else limit_in_words(**bound),
    )
