"""The options of `gateway top`, and the loop that looks and draws."""

import sys
import time
from typing import Annotated

import typer

from gateway.cli.failing import Failure
from gateway.cli.options import AsJson, Config, GatewayUrl
from gateway.cli.output import emit_json, say

app = typer.Typer(add_completion=False)


@app.command()
def top(
    interval: Annotated[
        float, typer.Option("--interval", "-i", min=0.2, help="Seconds between two looks.")
    ] = 1.0,
    once: Annotated[
        bool, typer.Option("--once", help="Draw one picture and end; so it is without a terminal.")
    ] = False,
    config: Config = None,
    url: GatewayUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show lanes, the queue, agents and spend of the whole gateway, live. Ends with Ctrl-C."""
    from rich.console import Console
    from rich.live import Live

    from gateway.cli.admin_access import admin_api

    from .looking import looked
    from .picture import picture

    api = admin_api(config, url)
    look = looked(api, None)
    if as_json:
        emit_json({"lanes": look.lanes, "queue": look.queue, "agents": look.agents})
        return
    console = Console()
    if once or not sys.stdout.isatty():
        console.print(picture(look, console.width, None))
        return
    fault: str | None = None
    try:
        with Live(
            picture(look, console.width, console.height), console=console, screen=True,
            auto_refresh=False,
        ) as live:  # fmt: skip
            while True:
                time.sleep(interval)
                try:
                    look, fault = looked(api, look), None
                except Failure as failure:  # it may come back; the last picture stays
                    fault = str(failure)
                live.update(picture(look, console.width, console.height, fault), refresh=True)
    except KeyboardInterrupt:
        say("")
