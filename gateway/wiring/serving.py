"""The HTTP server around the door, in three forms: one process, several workers, and in place.

uvicorn serves: it owns sockets, signals and the graceful stop (stop accepting, finish what runs
within the grace period, then shut down the parts). The store of its own, if any, lives in the
parent for as long as the workers do.
"""

import asyncio
import os
import signal
import socket
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from types import FrameType

import httpx2
import uvicorn
from uvicorn.supervisors import Multiprocess

from gateway.config import Listen, Settings
from gateway.config.environment import export
from gateway.config.source import Source
from gateway.store.embedded import EmbeddedValkey

from .protocol import ServedConnection
from .worker import WorkerPlan

BACKLOG = 2048
_JOIN_POLL_S = 0.1


class CutShort(Exception):  # noqa: N818 - says what happened
    """A second signal ended the graceful stop: calls that were still running were cut."""


def serve(
    settings: Settings,
    announce: Callable[[str], None],
    *,
    source: Source | None = None,
    prepare: Callable[[], None] = lambda: None,
) -> None:
    """Serve until a signal says stop; returns normally after a graceful stop.

    Args:
        settings: The configuration in force.
        announce: Called with the base URL once calls can be served.
        source: Where the settings came from, to read them again.
        prepare: Called once the store runs, before anything is served.

    Raises:
        OSError: The address cannot be bound.
        EmbeddedValkeyError: The embedded store does not start.
        StateDirError: The state directory is in use or cannot be used.
        CutShort: A second signal ended what was still running.
    """
    with ExitStack() as stack:
        url = settings.state.url or stack.enter_context(_store_in_background(settings))
        listeners = [stack.enter_context(_bound(settings.listen))]
        admin_address = None
        if settings.admin.enabled and settings.admin.listen is not None:
            listeners.append(stack.enter_context(_bound(settings.admin.listen)))
            admin_address = _address(listeners[-1])
        prepare()
        workers = settings.server.workers
        directory = None
        if workers > 1:
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-metrics-"))
            export("PROMETHEUS_MULTIPROC_DIR", directory)
        plan = WorkerPlan(
            settings,
            url,
            directory,
            own_process=True,
            source=source,
            admin_address=admin_address,
        )
        config = server_config(plan, settings)
        base_url = _base_url(listeners[0])
        stack.enter_context(_quiet_signals())
        stack.enter_context(_when_ready(base_url, announce))
        server = _Workers(config, listeners) if workers > 1 else _OneProcess(config, listeners)
        server.run()
        if server.cut_short:
            raise CutShort


@asynccontextmanager
async def serving(plan: WorkerPlan) -> AsyncIterator[str]:
    """A gateway inside this event loop, for tests and the demo. Gives its base URL."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(_bound(plan.settings.listen))]
        admin = plan.settings.admin
        if admin.enabled and admin.listen is not None:
            listeners.append(stack.enter_context(_bound(admin.listen)))
            plan = replace(plan, admin_address=_address(listeners[-1]))
        server = _Embedded(server_config(plan, replace_workers(plan.settings, 1)))
        # Kept and awaited here. A TaskGroup would cancel the server when the body raises, instead of
        # letting it close what it opened, and would wrap what the body raised.
        task = asyncio.get_running_loop().create_task(server.serve(sockets=listeners))
        try:
            await server.ready(task)
            yield _base_url(listeners[0])
        finally:
            server.stop()
            await task


def replace_workers(settings: Settings, workers: int) -> Settings:
    """The same settings for another number of workers."""
    return replace(settings, server=replace(settings.server, workers=workers))


def server_config(plan: WorkerPlan, settings: Settings) -> uvicorn.Config:
    """How uvicorn serves a door: nothing added, nothing logged for each call."""
    return uvicorn.Config(
        plan,
        factory=True,
        loop="uvloop",
        http=ServedConnection,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        workers=settings.server.workers,
        timeout_keep_alive=int(settings.server.idle_timeout_s),
        timeout_graceful_shutdown=int(settings.server.shutdown_grace_s),
    )


class _OneProcess(uvicorn.Server):
    """A server that a second signal, of whatever kind, stops at once."""

    def __init__(self, config: uvicorn.Config, listeners: list[socket.socket]) -> None:
        super().__init__(config)
        self._listeners = listeners

    @property
    def cut_short(self) -> bool:
        """Whether calls were cut."""
        return self.force_exit

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        super().run(sockets or self._listeners)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit
        super().handle_exit(sig, frame)


class _Workers(Multiprocess):
    """Workers that a second signal kills. The first may reach them twice (Ctrl-C goes to all)."""

    cut_short = False

    def handle_hup(self) -> None:
        """Each worker reads the configuration again; nobody is restarted."""
        for one in self.processes:
            if one.pid is not None:
                os.kill(one.pid, signal.SIGHUP)

    def terminate_all(self) -> None:
        for one in self.sockets:  # else callers would wait at a door that nobody opens any more
            one.close()
        super().terminate_all()

    def join_all(self) -> None:
        while running := [one.process for one in self.processes if one.process.is_alive()]:
            if self.signal_queue:
                self.cut_short = True
                for process in running:
                    process.kill()
            running[0].join(_JOIN_POLL_S)


class _Embedded(uvicorn.Server):
    """A server that leaves the signals to its host and says when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._up = asyncio.Event()
        self._told = asyncio.Event()

    def stop(self) -> None:
        """Begin the graceful stop."""
        self.should_exit = True
        self._told.set()

    async def main_loop(self) -> None:
        """Wait to be told; uvicorn's own loop looks ten times a second."""
        await self.on_tick(0)
        await self._told.wait()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:  # how uvicorn says that the application did not start
            self.should_exit = True
        self._up.set()

    async def ready(self, task: "asyncio.Task[None]") -> None:
        """Wait until it serves.

        Raises:
            RuntimeError: It ended instead.
        """
        up = asyncio.ensure_future(self._up.wait())
        await asyncio.wait([up, task], return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
        if self.should_exit or task.done():
            raise RuntimeError("the gateway did not start; its log says why")


@contextmanager
def _bound(listen: Listen) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Inherited by each accepted connection, so that no streamed event is held back (Nagle);
        # asyncio alone sets it only on sockets whose protocol number is known.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind((listen.host, listen.port))
        listener.set_inheritable(True)
        yield listener
    finally:
        listener.close()


def _address(listener: socket.socket) -> tuple[str, int]:
    host, port = listener.getsockname()[:2]
    return str(host), int(port)


def _base_url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def _store_in_background(settings: Settings) -> Iterator[str]:
    """The embedded store in a thread of its own, since the server owns the main thread."""
    started: threading.Event = threading.Event()
    stopping = threading.Event()
    outcome: list[str | BaseException] = []

    async def live() -> None:
        async with EmbeddedValkey(settings.state.dir) as store:
            outcome.append(store.url)
            started.set()
            await asyncio.get_running_loop().run_in_executor(None, stopping.wait)

    def run() -> None:
        try:
            asyncio.run(live())
        except BaseException as fault:  # noqa: BLE001 - handed to the main thread
            outcome.append(fault)
        finally:
            started.set()

    thread = threading.Thread(target=run, name="embedded-store")
    thread.start()
    try:
        started.wait()
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        yield outcome[0]
    finally:
        stopping.set()
        thread.join()


@contextmanager
def _quiet_signals() -> Iterator[None]:
    """Uvicorn raises a signal again after its graceful stop; a stop that went well exits 0."""
    previous = {one: signal.signal(one, lambda *_: None) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for one, handler in previous.items():
            signal.signal(one, handler)


@contextmanager
def _when_ready(base_url: str, announce: Callable[[str], None]) -> Iterator[None]:
    """Announce once `/readyz` says yes; asked from outside, so that it is true for any worker."""
    stopping = threading.Event()

    def watch() -> None:
        with httpx2.Client(timeout=2.0, trust_env=False) as client:
            while not stopping.wait(0.05):
                try:
                    ready = client.get(f"{base_url}/readyz").status_code == 200
                except httpx2.HTTPError:
                    ready = False
                if ready:
                    announce(base_url)
                    return

    thread = threading.Thread(target=watch, name="announce", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
