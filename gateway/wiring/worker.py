"""Builds one worker: every part made, joined and taken down again in one place."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from random import SystemRandom  # noqa: TID251 - this is the composition root
from typing import BinaryIO

from gateway import __version__
from gateway.config import Settings
from gateway.config.leaves import document_schemas
from gateway.config.source import Source
from gateway.controlplane.provided import AdminParts
from gateway.core.estimate import EstimateBook
from gateway.core.retrying import RetryBudgets
from gateway.core.routing.ledger import RouteLedger
from gateway.core.shedding import Room
from gateway.dataplane.app import Door, House, Private
from gateway.dataplane.convoy import Convoy
from gateway.dataplane.marking import Marker
from gateway.dataplane.parts import Assistance, Parts
from gateway.dataplane.pipeline import Pipeline
from gateway.dataplane.settings import DataPlaneSettings
from gateway.domain.facts import CallRecord
from gateway.domain.topology import Topology
from gateway.ports import Clock, Observer
from gateway.store.audit import StoredAudit
from gateway.store.background import pause, running
from gateway.store.caches import SharedCaches
from gateway.store.connection import ROOT, Client, connect
from gateway.store.directory import CachedDirectory
from gateway.store.explanations import StoredExplanations
from gateway.store.replays import StoredReplays
from gateway.store.routes import SharedRoutes
from gateway.store.sessions import StoredSessions
from gateway.store.tokens import StoredTokens
from gateway.store.usage import StoredUsage
from gateway.telemetry.access_log import AccessLog
from gateway.telemetry.loop_lag import watched_loop
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.stored import StoredFigures
from gateway.upstream.transport import HttpUpstream

from . import memory
from .admin import PREFIX, StoredBooks, StoredKeys, admin, closed, token_of
from .admitting import Admitting, admitting
from .breakers import JoinedBreakers
from .clock import SystemClock
from .ids import replica_id, request_ids
from .live import LiveConfiguration, reloaded_by_signal
from .logs import log_to_stderr
from .pages import pages
from .prices import Prices, load
from .scorers import scorers_of
from .tracing import tracer, traces

log = logging.getLogger("gateway")

REFRESH_S = 0.5
"""How old the gauges of another worker may be."""


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """What a worker is built from; it can be pickled into a new process.

    Attributes:
        store_url: The store, configured or embedded.
        source: Where the settings came from, to read them again; `None`: from nowhere.
        admin_address: Where the admin API listens, if not where calls are served.
        multiprocess_dir: Where the workers of a group join their metrics; `None` if alone.
        own_process: The worker has its process to itself, and may tune it.
    """

    settings: Settings
    store_url: str = field(repr=False)  # it may hold a password
    multiprocess_dir: str | None = None
    source: Source | None = None
    admin_address: tuple[str, int] | None = None
    own_process: bool = False

    def __call__(self) -> Door:
        """The application, built when the server starts it (an ASGI factory)."""
        if self.multiprocess_dir is not None:  # a process of its own, in which nothing is set up
            log_to_stderr(self.settings.logging.level)
        return Door(house(self))


class Observers:
    """Tells several observers."""

    __slots__ = ("_observers",)

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def call_finished(self, record: CallRecord) -> None:
        """Tell each of them."""
        for observer in self._observers:
            observer.call_finished(record)


@asynccontextmanager
async def house(plan: WorkerPlan) -> AsyncIterator[House]:
    """Everything behind the door, for as long as the worker runs."""
    settings, clock = plan.settings, SystemClock()
    replica = replica_id()
    async with AsyncExitStack() as stack:
        loading = asyncio.get_running_loop().run_in_executor(None, load)
        redis = await connect(plan.store_url)
        stack.push_async_callback(redis.aclose)
        live = LiveConfiguration(settings, plan.source, redis, clock)
        await live.begin()
        metrics = Metrics(plan.multiprocess_dir, __version__)
        stack.callback(metrics.refresh)
        stack.enter_context(watched_loop(metrics.loop_lagged))
        chance = SystemRandom().random
        gate = await stack.enter_async_context(
            admitting(live.settings, redis, replica, clock, metrics, chance)
        )
        prices = Prices(live.settings.prices)
        directory = await _in_force(
            stack, live, redis, gate, prices, clock, own_process=plan.own_process
        )
        upstream = HttpUpstream()
        stack.push_async_callback(upstream.close)
        explanations = _explanations(stack, settings, redis, clock, metrics)
        accounts = _accounts(stack, settings, redis, replica, clock)
        observers: list[Observer] = [metrics, explanations, accounts]
        sessions = StoredSessions(redis, ROOT, clock, metrics.sessions)
        stack.push_async_callback(sessions.stop)
        observers += (sessions, *_writers(stack, settings, replica, clock, metrics))
        await loading
        audit = StoredAudit(redis, clock, settings.admin.audit_keep_s)
        breakers = await stack.enter_async_context(
            JoinedBreakers(settings.reliability, chance, clock, metrics, audit).shared(redis)
        )
        book, ledger = EstimateBook(), RouteLedger()
        shared_routes = await stack.enter_async_context(
            SharedRoutes(
                redis, ROOT, replica, ledger, book, lambda: directory.topology.routes, clock
            )
        )
        pipeline = Pipeline(
            Parts(
                directory=directory,
                admission=gate.port,
                upstream=upstream,
                observer=Observers(*observers, breakers.runaways),
                headroom=metrics,
                tracer=tracer(settings.tracing),
                clock=clock,
                price=prices,
                book=book,
                request_ids=request_ids(replica),
                gates=breakers.gates,
                chance=chance,
                budgets=RetryBudgets(settings.reliability.retries),
                ledger=ledger,
                scorers=scorers_of(settings.routes),
                settings=data_plane_settings(settings),
                assistance=await _assistance(
                    stack, settings, redis, replica, directory, book, clock
                ),
            )
        )
        queue = gate.queue
        metrics.watch(lambda: pipeline.in_flight, lambda: queue.store_up, lambda: gate.alone)
        if plan.multiprocess_dir is not None:
            await stack.enter_async_context(running("gauges", _refreshing(metrics)))

        if plan.own_process:
            memory.settle()
        books = StoredBooks(redis, queue, clock)
        stored = StoredFigures(books, lambda: directory.topology, clock, lambda: queue.store_up)

        def admin_parts() -> AdminParts:
            return AdminParts(
                token=token_of(settings),
                version=__version__,
                books=books,
                directory=directory,
                explanations=explanations,
                clock=clock,
                audit=audit,
                breakers=breakers,
                tokens=StoredTokens(redis, clock),
                replays=StoredReplays(redis),
                accounts=accounts,
                ledger=ledger,
                resume=shared_routes.resume,
                price_of=prices.price,
                configuration=live,
                keys=StoredKeys(redis, clock),
                steering=queue,
                origins=settings.admin.origins,
                document_schemas=document_schemas(),
            )

        yield House(
            pipeline,
            pages(metrics, stored, gate.readiness),
            ((PREFIX, admin(admin_parts) if _serves_admin(plan) else closed),),
            None if plan.admin_address is None else Private(plan.admin_address, admin(admin_parts)),
        )


async def _assistance(
    stack: AsyncExitStack,
    settings: Settings,
    redis: Client,
    replica: str,
    directory: CachedDirectory,
    book: EstimateBook,
    clock: Clock,
) -> Assistance:
    """Cache assistance, shared with other replicas."""
    marker = Marker(book, clock, settings.caching, settings.server.max_body_bytes)
    convoy = Convoy(book, clock, settings.caching)
    shared = SharedCaches(
        redis, ROOT, replica, convoy, marker, lambda: _assists(directory.topology)
    )
    await stack.enter_async_context(shared)
    return Assistance(marker, convoy)


def _assists(topology: Topology) -> bool:
    return any(agent.cache_assist for agent in topology.agents.values())


def _accounts(
    stack: AsyncExitStack, settings: Settings, redis: Client, replica: str, clock: Clock
) -> StoredUsage:
    usage = settings.usage
    accounts = StoredUsage(
        redis, ROOT, replica, clock, keep_s=usage.keep_s, max_rows=usage.max_rows
    )
    stack.push_async_callback(accounts.stop)
    return accounts


def _explanations(
    stack: AsyncExitStack, settings: Settings, redis: Client, clock: Clock, metrics: Metrics
) -> StoredExplanations:
    explanations = StoredExplanations(
        redis,
        ROOT,
        clock,
        keep_s=settings.explanations.keep_s,
        per_second=settings.explanations.per_second,
        dropped=metrics.explanations_dropped,
    )
    stack.push_async_callback(explanations.stop)
    return explanations


def _writers(
    stack: AsyncExitStack, settings: Settings, replica: str, clock: Clock, metrics: Metrics
) -> Iterator[Observer]:
    """Those that write each call down somewhere, as far as they are wanted."""
    if settings.logging.access_log:
        access_log = AccessLog(stack.enter_context(_access_stream(settings)), clock)
        stack.callback(access_log.flush)
        yield access_log
    if settings.tracing.endpoint is not None:
        spans = traces(settings.tracing, replica, clock, metrics.traces_dropped)
        stack.push_async_callback(spans.stop)
        yield spans


def _serves_admin(plan: WorkerPlan) -> bool:
    """Whether the admin API is served where calls are."""
    return plan.settings.admin.enabled and plan.admin_address is None


async def _in_force(
    stack: AsyncExitStack,
    live: LiveConfiguration,
    redis: Client,
    gate: Admitting,
    prices: Prices,
    clock: Clock,
    *,
    own_process: bool,
) -> CachedDirectory:
    """Who may call, all limits and prices, kept as the live configuration has them."""
    found = live.settings
    directory = CachedDirectory(redis, found.topology, found.agent_keys, clock)
    await stack.enter_async_context(directory)

    async def put_in_force(live: LiveConfiguration) -> None:
        found = live.settings
        directory.configure(found.topology, found.agent_keys, live.barred)
        prices.adopt(found.prices)
        await gate.configure(found.topology, live.stamps)

    await stack.enter_async_context(live.kept_fresh(put_in_force))
    if own_process:
        stack.enter_context(reloaded_by_signal(live))
    return directory


async def _refreshing(metrics: Metrics) -> None:
    """Keep this worker's gauges fresh, since `/metrics` may be answered by another worker."""
    while True:
        metrics.refresh()
        await pause(REFRESH_S)


def data_plane_settings(settings: Settings) -> DataPlaneSettings:
    """The data plane's part of the configuration."""
    server = settings.server
    return DataPlaneSettings(
        max_body_bytes=server.max_body_bytes,
        body_pause_s=server.body_timeout_s,
        max_upload_bytes=server.max_upload_bytes,
        passthrough_tokens=server.passthrough_tokens,
        max_own_lanes=server.max_own_lanes,
        hold_head_s=server.hold_head_s,
        hold_whole_s=server.hold_whole_s,
        keepalive_s=server.keepalive_s,
        models_ttl_s=server.models_ttl_s,
        retries=settings.reliability.retries,
        room=Room(server.max_calls, server.max_held_bytes),
        failover=settings.reliability.failover,
    )


@contextmanager
def _access_stream(settings: Settings) -> Iterator[BinaryIO]:
    path = settings.logging.access_file
    if path is None:
        yield sys.stdout.buffer
        return
    with path.open("ab") as stream:
        yield stream
