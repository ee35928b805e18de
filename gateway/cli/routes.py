"""`gateway routes`: what routes do, why a call went where it did, and trained scorers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from .completing import names_of
from .failing import Failure
from .nouns import noun
from .options import AsJson, Config, GatewayUrl
from .output import emit, emit_json, emit_table, say

if TYPE_CHECKING:
    from gateway.core.routing.training import Outcome

app = noun("Routes: what they do, and trained scorers.")

_HEADINGS = (
    "ROUTE", "MODE", "SIMPLE MODEL", "ROUTED", "HELD OUT", "SAVED", "TROUBLE (ROUTED / HELD OUT)",
)  # fmt: skip
_Table = Annotated[
    Path, typer.Argument(metavar="FILE.csv", help="Columns prompt, weak, strong; .gz is read, too.")
]
_Label = Annotated[
    str | None,
    typer.Option(help="The column with the kind of a text; else `label` or `subject`."),
]


@app.command("list")
def list_routes(config: Config = None, url: GatewayUrl = None, as_json: AsJson = False) -> None:
    """List routes: mode, conversations, savings, and the holdout beside the routed."""
    from .admin_access import admin_api

    found = admin_api(config, url).all("routes")
    if as_json:
        emit_json(found)
    elif found:
        emit_table(_HEADINGS, (_row(one) for one in found))
        for one in found:
            if one["returned"]:
                say(f"{one['name']} was returned to shadow: {one['returned']}")
    else:
        say("No routes are configured: add some under `routes`.")


@app.command()
def explain(
    request_id: Annotated[str, typer.Argument(metavar="REQUEST_ID", help="x-gateway-request-id.")],
    config: Config = None,
    url: GatewayUrl = None,
    as_json: AsJson = False,
) -> None:
    """Tell what a route decided about one finished call, and why."""
    from .admin_access import admin_api
    from .story import route_story

    call = admin_api(config, url).find(f"calls/{quote(request_id)}")
    if call is None:
        raise Failure(f"nothing is known of call {request_id}.")
    if as_json:
        emit_json(call["route"])
    elif call["route"] is None:
        say("No route matched this call: it went to the model that it asked for.")
    else:
        for line in route_story(call):
            emit(line)


@app.command()
def resume(
    name: Annotated[
        str,
        typer.Argument(
            metavar="ROUTE", help="The route's name.", autocompletion=names_of("routes")
        ),
    ],
    config: Config = None,
    url: GatewayUrl = None,
) -> None:
    """Let a route that was returned to shadow act again; its figures begin anew."""
    from .admin_access import admin_api

    if admin_api(config, url).post(f"routes/{quote(name)}/resume") is None:
        raise Failure(f"there is no route {name}.")
    say(f"{name} is in its configured mode again, and counts anew.")


@app.command()
def train(
    file: _Table,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the scorer is written.")],
    label: _Label = None,
    anyway: Annotated[
        bool, typer.Option(help="Write it although it is no better than the prompt's length.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train a scorer from outcomes of a weak and a strong model, and say what it is worth."""
    outcomes = _outcomes(file, label)
    from gateway.core.routing.judging import judged
    from gateway.wiring.scorers import save_scorer

    from .scorer_report import plain, told

    scorer, found = judged(outcomes)
    if as_json:
        emit_json(plain(found, len(outcomes)))
    else:
        for line in told(found, len(outcomes)):
            emit(line)
    if found.claim.value == "nothing" and not anyway:
        raise Failure("not written: the data does not show that it helps (--anyway writes it).")
    try:
        save_scorer(scorer, output)
    except OSError as error:
        raise Failure(f"{output} cannot be written: {error.strerror}") from None
    say(f"Written to {output}; name it in `routes[].scorer`.")


@app.command()
def evaluate(file: _Table, label: _Label = None, as_json: AsJson = False) -> None:
    """Say what a scorer trained from these outcomes would be worth, and write nothing."""
    outcomes = _outcomes(file, label)
    from gateway.core.routing.judging import judged

    from .scorer_report import plain, told

    _, found = judged(outcomes)
    if as_json:
        emit_json(plain(found, len(outcomes)))
        return
    for line in told(found, len(outcomes)):
        emit(line)


def _outcomes(file: Path, label: str | None) -> "list[Outcome]":
    """The rows, if they are enough to say anything.

    Raises:
        Failure: They are not, or numpy is missing.
    """
    try:
        from gateway.core.routing.evaluation import LEAST_ROWS
    except ImportError:
        raise Failure(
            "training needs numpy. Install it with: pip install 'agent-gateway[scorer]'"
        ) from None
    from .outcomes import read_outcomes

    found = read_outcomes(file, label)
    if len(found) < LEAST_ROWS:
        raise Failure(
            f"{file} has {len(found)} outcomes; with fewer than {LEAST_ROWS} nothing can be said."
        )
    if sum(one.strong - one.weak for one in found) <= 0:
        raise Failure("the strong model is not better in this data: always take the weak one.")
    return found


def _row(route: Any) -> tuple[str, ...]:
    from .wording import dollars, whole

    arms = route["arms"]
    held, routed = arms["holdout"], arms["routed"]
    mode = route["mode"]
    if route["mode_in_force"] != mode:
        mode = f"{route['mode_in_force']} (returned)"
    counted = arms["shadow"] if mode == "shadow" else routed
    return (
        route["name"],
        mode,
        route["simple"],
        whole(counted["conversations"]),
        whole(held["conversations"]),
        dollars(counted["saved_microusd"]),
        f"{routed['troubled_share']:.1%} / {held['troubled_share']:.1%}",
    )
