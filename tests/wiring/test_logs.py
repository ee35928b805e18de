"""Where the gateway's own messages go."""

import subprocess
import sys

import pytest

SCRIPT = """
import logging
from gateway.config import LogLevel
from gateway.wiring.logs import log_to_stderr
log_to_stderr(LogLevel("{level}"))
for name in ("gateway", "uvicorn.error", "httpx2"):
    logging.getLogger(name).info("information of " + name)
    logging.getLogger(name).warning("warning of " + name)
"""


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("debug", ["INFO", "WARNING"] * 3),
        ("info", ["INFO", "WARNING", "WARNING", "WARNING"]),
        ("warning", ["WARNING"] * 3),
        ("error", []),
    ],
)
def test_the_level_decides_and_libraries_chat_only_when_debugging(
    level: str, shown: list[str]
) -> None:
    told = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(level=level)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == ""
    assert [line.split()[2] for line in told.stderr.splitlines()] == shown
