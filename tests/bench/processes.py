"""Starting what is measured, and reading how much CPU it took."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def module(name: str, *arguments: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A module of this repository as a process, once it listens."""
    with command([sys.executable, "-m", name, *arguments], port=port) as process:
        yield process


@contextmanager
def command(arguments: list[str], *, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Any command, once it listens on a port."""
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        _await_port(process, port)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stderr is not None:
            process.stderr.close()


def _await_port(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            told = process.stderr.read().decode(errors="replace") if process.stderr else ""
            raise RuntimeError(f"{process.args!r} ended at once:\n{told[-2000:]}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"{process.args!r} does not listen on {port}")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its descendants so far, from /proc."""
    total = 0.0
    for one in [pid, *_descendants(pid)]:
        try:
            stat = Path(f"/proc/{one}/stat").read_text()
        except FileNotFoundError:
            continue
        fields = stat.rsplit(")", 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) / TICKS_PER_S
    return total


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += [int(child), *_descendants(int(child))]
    return found
