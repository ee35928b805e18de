"""The options of `gateway demo`, and its course."""

from typing import Annotated

import typer

from gateway.cli.failing import Failure
from gateway.cli.options import AsJson

SECONDS = 14.0
"""How long each run takes unless told otherwise."""

app = typer.Typer(add_completion=False)


@app.command()
def demo(
    seconds: Annotated[
        float | None,
        typer.Option(
            min=2.0,
            max=3600.0,
            help="How long each of the two runs takes: 14, or with --through until stopped.",
        ),
    ] = None,
    agents: Annotated[int, typer.Option(min=1, max=100, help="How many agents.")] = 10,
    seed: Annotated[int, typer.Option(help="Changes what the agents do, and when.")] = 1,
    through: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Only let the fleet work, through a gateway that runs there already and knows "
            "its agents (deploy/demo.yaml).",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Let a small fleet work straight at simulated providers, then through the gateway.

    No keys are needed. The agents use the official SDKs with their own retries; the providers'
    minute is shortened to 6 seconds.
    """
    try:
        import anthropic
        import openai
        from google import genai

        del anthropic, openai, genai
    except ImportError as error:
        raise Failure(
            f"the demo's agents use the official SDKs, and {error.name} is not installed. "
            "Install them with: pip install 'agent-gateway[demo]'"
        ) from None
    if through is not None:
        from .through import work_through

        work_through(through, agents, seed, seconds)
        return
    from .course import Options, show

    show(Options(SECONDS if seconds is None else seconds, agents, seed, as_json))
