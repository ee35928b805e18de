"""`gateway simulate`: the provider simulator alone."""

import os
import signal
import threading
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from .failing import Failure
from .options import AsJson, read_address, read_duration
from .output import emit, emit_json

if TYPE_CHECKING:
    from gateway.simulator import LimitRule, RunningSimulator, SimulatorSettings

_LIMITS = "RULE"
_DIALECTS = ("anthropic", "openai", "gemini")

app = typer.Typer(add_completion=False)

Rules: TypeAlias = list[str] | None


@app.command(
    epilog="A RULE is rpm=50,itpm=80000,otpm=16000 for all models of the provider together, "
    "PATTERN:rpm=50,... for those that match, or none. Names: rpm, itpm, otpm, tpm, concurrency."
)
def simulate(  # noqa: PLR0913, PLR0917 - one for each option of the command
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Port 0 picks one.")
    ] = "127.0.0.1:8090",
    minute: Annotated[
        float,
        typer.Option(
            parser=read_duration, metavar="TIME", help="How long the minute of limits is."
        ),
    ] = "60s",  # type: ignore[assignment]  # typer parses defaults, too
    ttft: Annotated[
        float, typer.Option(parser=read_duration, metavar="TIME", help="Time to the first token.")
    ] = "300ms",  # type: ignore[assignment]
    tokens_per_s: Annotated[
        float, typer.Option(min=0.0, help="Output speed of one call; 0 is at once.")
    ] = 50.0,
    output_tokens: Annotated[
        int, typer.Option(min=1, help="Mean length of an answer, where the prompt asks for none.")
    ] = 200,
    anthropic_limits: Annotated[Rules, typer.Option(metavar=_LIMITS, help="Repeatable.")] = None,
    openai_limits: Annotated[Rules, typer.Option(metavar=_LIMITS, help="Repeatable.")] = None,
    gemini_limits: Annotated[Rules, typer.Option(metavar=_LIMITS, help="Repeatable.")] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="DIALECT:ID", help="A further model. Repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Changes the text and length of answers.")] = 0,
    as_json: AsJson = False,
    while_stdin_is_open: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Simulate Anthropic, OpenAI and Gemini on one port, with limits that are enforced.

    Without limits given, those of each provider's first paid tier act.
    """
    from dataclasses import replace

    from gateway.simulator import SimulatorSettings, serve

    address = read_address(listen)
    settings = SimulatorSettings(
        minute_s=minute,
        ttft_s=ttft,
        tokens_per_s=tokens_per_s,
        mean_output_tokens=output_tokens,
        seed=seed,
        extra_models=_models(model or []),
    )
    given = zip(_DIALECTS, (anthropic_limits, openai_limits, gemini_limits), strict=True)
    limits = {dialect: _rules(dialect, texts) for dialect, texts in given if texts}
    settings = replace(settings, limits={**settings.limits, **limits})

    def ready(running: "RunningSimulator") -> None:
        if while_stdin_is_open:
            _end_with_stdin()
        _announce(running, settings, as_json)

    try:
        serve(settings, address.host, address.port, ready)
    except OSError as error:
        raise Failure(
            f"cannot listen on {address}: {error.strerror}. Choose another address with --listen."
        ) from None


def _rules(dialect: str, texts: list[str]) -> "tuple[LimitRule, ...]":
    from .simulator_limits import BadLimits, rules

    try:
        return rules(texts)
    except BadLimits as error:
        raise typer.BadParameter(f"{error}.", param_hint=f"--{dialect}-limits") from None


def _models(texts: list[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for text in texts:
        dialect, _, name = text.partition(":")
        if dialect not in _DIALECTS or not name:
            raise typer.BadParameter(
                f"{text!r} is not DIALECT:ID with one of {', '.join(_DIALECTS)}.",
                param_hint="--model",
            )
        found[dialect] = (*found.get(dialect, ()), name)
    return found


def _announce(running: "RunningSimulator", settings: "SimulatorSettings", as_json: bool) -> None:
    keys = settings.keys
    if as_json:
        facts = {
            "url": running.url,
            "openai_url": running.openai_url,
            "control_url": f"{running.url}/_sim/",
            "keys": dict(keys),
        }
        emit_json(facts, indent=None)
        return
    emit(
        f"""\
Simulated providers are ready (a minute takes {settings.minute_s:g} s).

  Anthropic  {running.url}     key {keys["anthropic"]}
  OpenAI     {running.openai_url}  key {keys["openai"]}
  Gemini     {running.url}     key {keys["gemini"]}

  What happened      curl {running.url}/_sim/stats     (each call: /_sim/log)
  Settings           curl {running.url}/_sim/settings  (change: PUT)
  Faults             curl {running.url}/_sim/faults    (set: POST a list, clear: DELETE)
  Use up limits      POST {running.url}/_sim/consume
  Start again        POST {running.url}/_sim/reset

Stop with Ctrl-C."""
    )


def _end_with_stdin() -> None:
    """Stop when whoever started this process is gone, however it went."""

    def watch() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="stdin", daemon=True).start()
