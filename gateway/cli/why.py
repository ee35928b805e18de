"""`gateway why`: what happened to one call."""

from typing import Annotated
from urllib.parse import quote

import typer

from .failing import Failure
from .options import AsJson, Config, GatewayUrl
from .output import emit, emit_json

app = typer.Typer(add_completion=False)


@app.command(epilog="The id is in the answer's header x-gateway-request-id and in the access log.")
def why(
    request_id: Annotated[str, typer.Argument(metavar="REQUEST_ID", help="Which call.")],
    config: Config = None,
    url: GatewayUrl = None,
    as_json: AsJson = False,
) -> None:
    """Explain one call: what it waited for, who was ahead, and whose fault a failure was."""
    from .admin_access import admin_api
    from .story import story, waiting_story

    api = admin_api(config, url)
    found, tell = api.find(f"calls/{quote(request_id, safe='')}"), story
    if found is None:
        waiting = api.get("queue", request_id=request_id)["items"]
        if not waiting:
            raise Failure(
                f"nothing is known of call {request_id}. It is at the provider now, it ended "
                "longer ago than explanations.keep, or there were too many to keep them all."
            )
        found, tell = waiting[0], waiting_story
    if as_json:
        emit_json(found)
        return
    for line in tell(found):
        emit(line)
