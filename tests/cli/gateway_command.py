"""The real command in real processes."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.config import read_environment
from gateway.config.accounts import OFFICIAL

GATEWAY = str(Path(sys.executable).with_name("gateway"))
SETTLED = {"NO_COLOR": "1", "COLUMNS": "100"}
"""So that pages look the same everywhere."""
_LIMIT_S = 75.0
_OURS = {
    *(name for one in OFFICIAL.values() for name in (*one.key_variables, one.url_variable)),
    "GATEWAY_URL",
    "GATEWAY_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "GATEWAY_ADMIN_TOKEN",
}


def unwanted() -> list[str]:
    """Variables that are set here and would change the outcome."""
    return [name for name in read_environment() if name in _OURS]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment without what would change the outcome, and with what is given."""
    own = {name: value for name, value in read_environment().items() if name not in _OURS}
    return {**own, **SETTLED, **(extra or {})}


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed."""
        return json.loads(self.out)


def gateway(
    *arguments: str, folder: Path, env: Mapping[str, str] | None = None, stdin: str = ""
) -> Outcome:
    """Run a command to its end in a folder."""
    done = subprocess.run(
        [GATEWAY, *arguments],
        cwd=folder,
        env=environment(env),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@dataclass
class Running:
    """A command that serves until it is told to stop.

    Attributes:
        ready: What it said as JSON once it was ready.
    """

    process: "subprocess.Popen[str]"
    folder: Path
    ready: dict[str, Any]

    @property
    def url(self) -> str:
        """Its base URL."""
        return str(self.ready["url"])

    def tell(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def ended(self) -> Outcome:
        """Wait for its end."""
        out, err = self.process.communicate(timeout=_LIMIT_S)
        return Outcome(self.process.returncode, out, err)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> Outcome:
        """Tell it to stop and wait for its end."""
        self.tell(number)
        return self.ended()


@contextmanager
def running(
    *arguments: str, folder: Path, env: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """A command with `--json` that has said that it is ready; killed at the end if need be."""
    process = subprocess.Popen(
        [GATEWAY, *arguments, "--json"],
        cwd=folder,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    too_late = threading.Timer(_LIMIT_S, process.kill)
    too_late.start()
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        too_late.cancel()
        if not line:
            _, err = process.communicate(timeout=_LIMIT_S)
            raise AssertionError(f"{arguments} did not start:\n{err}")
        yield Running(process, folder, json.loads(line))
    finally:
        too_late.cancel()
        if process.poll() is None:
            process.terminate()
            try:
                process.communicate(timeout=_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
