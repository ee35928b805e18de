"""The simulator as the providers of a gateway: `gateway serve --simulate`.

The simulator runs in a process of its own, which ends when this one does, however that happens. It
enforces what the configured lanes say; where none are configured, each provider gets one lane with
modest limits, so that the queue has something to do.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from gateway.config import Settings, configured_lane, pointed_at_simulator
from gateway.domain.call import Dialect
from gateway.domain.limits import LaneLimits
from gateway.domain.topology import Topology

from .failing import Failure
from .simulator_limits import mirroring, single_models

_MODEST: Mapping[Dialect, LaneLimits] = {
    Dialect.ANTHROPIC: LaneLimits(rpm=50, itpm=80_000, otpm=16_000),
    Dialect.OPENAI: LaneLimits(rpm=60, tpm=80_000),
    Dialect.GEMINI: LaneLimits(rpm=60, itpm=80_000),
}
_STOP_LIMIT_S = 5.0


@contextmanager
def simulated(settings: Settings, listen: str) -> Iterator[Settings]:
    """The settings with every provider at a simulator, for as long as the context is open.

    Args:
        settings: As configured.
        listen: Where the simulator listens; port 0 picks one.

    Raises:
        Failure: The simulator does not start.
    """
    if not settings.topology.lanes:
        settings = replace(settings, topology=_with_modest_lanes(settings.topology))
    process = subprocess.Popen(  # noqa: S603 - this very command
        [sys.executable, "-m", "gateway", *_arguments(settings, listen)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C in the terminal must not cut streams that finish
    )
    with process:
        try:
            yield pointed_at_simulator(settings, _url(process))
        finally:
            _end(process)


def _with_modest_lanes(topology: Topology) -> Topology:
    lanes = {
        name: configured_lane(name, provider, ("*",), _MODEST[provider.dialect])
        for name, provider in topology.providers.items()
    }
    return replace(topology, lanes=lanes)


def _arguments(settings: Settings, listen: str) -> list[str]:
    topology = settings.topology
    arguments = ["simulate", "--json", "--while-stdin-is-open", "--listen", listen]
    arguments += ["--minute", f"{topology.minute_s}s"]
    for dialect, texts in mirroring(topology).items():
        for text in texts:
            arguments += [f"--{dialect.value}-limits", text]
    for dialect, model in single_models(topology):
        arguments += ["--model", f"{dialect.value}:{model}"]
    return arguments


def _url(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None  # noqa: S101 - it was asked for
    line = process.stdout.readline()
    if not line:
        raise Failure("the provider simulator did not start; see above.")
    return str(json.loads(line)["url"])


def _end(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None  # noqa: S101 - it was asked for
    process.stdin.close()
    try:
        process.wait(_STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
