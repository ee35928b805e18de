"""The simulator on a real port, with the connection in reach of the application.

Failure policy: a port in use raises at start; after that a stop waits for no call, since what it
serves is simulated.
"""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.simulator.app import SimulatorApp, create_app
from gateway.simulator.exchange import TransportConnection
from gateway.simulator.ledger import Clock
from gateway.simulator.settings import SimulatorSettings
from gateway.simulator.state import SimulatorState, loop_time, wall_time

_KEEP_ALIVE_S = 75
_BACKLOG = 2048


class SimulatorProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which also tells the application about the connection."""

    connection: TransportConnection | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wrap the transport (uvicorn narrows the argument in the same way)."""
        super().connection_made(transport)
        self.connection = TransportConnection(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake whoever waits for this client."""
        super().connection_lost(exc)
        if self.connection is not None:
            self.connection.lost()

    def on_message_begin(self) -> None:
        """Add the connection to the scope."""
        super().on_message_begin()
        self.scope["extensions"] = {"simulator.connection": self.connection}  # type: ignore[dict-item]


class _Server(uvicorn.Server):
    """Leaves signal handling to whoever runs it."""

    def install_signal_handlers(self) -> None:
        """Nothing."""


def _config(app: SimulatorApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=SimulatorProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        date_header=True,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=0,
        backlog=_BACKLOG,
    )


@dataclass(frozen=True, slots=True)
class RunningSimulator:
    """A simulator that listens.

    Attributes:
        url: `http://HOST:PORT`: the base URL for the anthropic and google-genai SDKs.
        port: The port.
        state: Its state, for use in process.
    """

    url: str
    port: int
    state: SimulatorState

    @property
    def openai_url(self) -> str:
        """The base URL for the openai SDK."""
        return f"{self.url}/v1"


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Inherited by each connection: asyncio's own loop leaves Nagle on for a socket that was
        # made without a protocol number, which adds 40 ms to every second write.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


@asynccontextmanager
async def start_simulator(
    settings: SimulatorSettings | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    clock: Clock = loop_time,
    wall: Callable[[], float] = wall_time,
) -> AsyncIterator[RunningSimulator]:
    """Run a simulator in this event loop until the body ends.

    Args:
        settings: How the providers behave.
        host: Address to listen on.
        port: Port to listen on; 0 picks one.
        clock: Monotonic seconds.
        wall: Seconds since the epoch.

    Raises:
        OSError: The address is in use.
    """
    app = create_app(settings, clock, wall)
    sock = _listen(host, port)
    bound = sock.getsockname()[1]
    server = _Server(_config(app))
    name = f"[{host}]" if ":" in host else host
    running = RunningSimulator(f"http://{name}:{bound}", bound, app.state)
    # Kept and awaited here; a TaskGroup would wrap what the body raises. `serve` would take signals.
    task = asyncio.get_running_loop().create_task(server._serve([sock]))
    try:
        while not server.started and not task.done():
            await _turn()
        yield running
    finally:
        server.should_exit = True
        await task
        sock.close()


async def _turn() -> None:
    """Let the event loop run once."""
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.001, future.set_result, None)
    await future


def serve(
    settings: SimulatorSettings | None = None,
    host: str = "127.0.0.1",
    port: int = 9090,
    ready: Callable[[RunningSimulator], None] | None = None,
) -> None:
    """Run a simulator until SIGINT or SIGTERM; then return.

    Args:
        settings: How the providers behave.
        host: Address to listen on.
        port: Port to listen on; 0 picks one.
        ready: Called once it listens (to print where).

    Raises:
        OSError: The address is in use.
    """

    async def until_told() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with start_simulator(settings, host, port) as running:
            if ready is not None:
                ready(running)
            await stop.wait()

    uvloop.run(until_told())
