"""One simulated world from beginning to end."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count

from gateway.domain.limits import Budget, Dimension
from gateway.domain.topology import Agent, Topology

from . import checks
from .clients import Client
from .faults import Faults
from .loop import EPOCH_S, simulate
from .network import Network
from .provider import Provider
from .record import Record
from .replica import Replica
from .scenario import MAX_WAIT_S, Scenario, draw
from .store import StoreClient, StoreServer

_DRAIN_S = 4 * MAX_WAIT_S
_AFTER_S = 8.0
"""Leases expire, beats are sent."""


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a seed."""

    seed: int
    minutes: float
    calls: int
    verdicts: Counter[str]
    faults: Counter[str]
    neighbour: float
    provider_429s: int
    overrun: float
    """The worst, as a share of the limit."""
    latest_s: float
    saturation: dict[str, float]
    store_calls: int
    trace: str
    findings: list[str] = field(default_factory=list)


class World:
    """Implements `clients.Ground` and `faults.Ground`."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        seed = scenario.seed
        self.record = Record()
        self.network = Network(random.Random(f"{seed}:network"))
        self.store = StoreServer(random.Random(f"{seed}:store"), self.record)
        self.topology = scenario.topology
        self.replicas: list[Replica] = []
        self.calling = True
        self._names: Iterator[int] = count(1)
        headers = random.Random(f"{seed}:headers")
        self.providers = {
            lane: Provider(
                scenario.dialects[lane],
                limits,
                random.Random(f"{seed}:{lane}"),
                headers_on_arrival=headers.random() < 0.5,
            )
            for lane, limits in scenario.limits.items()
        }
        start_us = EPOCH_S * 1_000_000
        self.budgets = {
            scope: checks.BudgetCheck(scope, [(start_us, budget)])
            for scope, budget in _budgets(self.topology)
        }

    # --- for clients --------------------------------------------------------------------------

    def a_replica(self, rng: random.Random) -> Replica | None:
        ready = [replica for replica in self.replicas if replica.open]
        return rng.choice(ready) if ready else None

    def dialect_of(self, lane: str) -> str:
        return self.scenario.dialects[lane]

    def agent(self, name: str) -> Agent:
        return self.topology.agents[name]

    # --- for faults ---------------------------------------------------------------------------

    async def start_replica(self) -> None:
        name = f"r{next(self._names)}"
        replica = Replica(
            name, StoreClient(self.store, self.network, name), self.providers, self.record
        )
        self.replicas.append(replica)
        await replica.start(self.topology)

    async def edit(self, agent: str, budget: Budget) -> None:
        """Replicas hear of a new budget one after the other."""
        agents = {**self.topology.agents}
        agents[agent] = replace(agents[agent], budget=budget)
        self.topology = replace(self.topology, agents=agents)
        self.budgets[f"agent:{agent}"].history.append((self.store.now_us(), budget))
        for replica in [replica for replica in self.replicas if replica.alive]:
            await replica.admission.configure(self.topology)

    # --- the run ------------------------------------------------------------------------------

    async def run(self) -> Report:
        """Faults, then peace and measuring, then the end of all calls."""
        scenario, record, loop = self.scenario, self.record, asyncio.get_running_loop()
        for _ in range(scenario.replicas):
            await self.start_replica()
        clients = [Client(habits, self, scenario.seed) for habits in scenario.habits]
        lives = [loop.create_task(client.live()) for client in clients]
        neighbour = loop.create_task(self._neighbour())
        faults = Faults(self, random.Random(f"{scenario.seed}:faults"))
        await faults.happen(scenario.faults, scenario.faults_end_s)
        await asyncio.sleep(scenario.settle_s)
        saturation = await self._measure()
        self.calling = False
        neighbour.cancel()
        await self._drain(clients, lives)
        self._judge(saturation)
        overruns = [o for provider in self.providers.values() for o in provider.overruns]
        return Report(
            seed=scenario.seed,
            minutes=loop.time() / 60.0,
            calls=len(record.calls),
            verdicts=record.verdicts,
            faults=Counter(kind for _, kind in record.faults),
            neighbour=scenario.neighbour,
            provider_429s=len(overruns),
            overrun=max((o.missing / o.limit for o in overruns), default=0.0),
            latest_s=max((late_s for late_s, _ in record.lateness), default=0.0),
            saturation=saturation,
            store_calls=self.store.calls,
            trace=self.store.trace.hexdigest(),
            findings=record.findings,
        )

    async def _measure(self) -> dict[str, float]:
        """How much of each lane's limit is used while work waits and nothing goes wrong."""
        before: dict[str, Counter[Dimension]] = {
            lane: provider.used.copy() for lane, provider in self.providers.items()
        }
        seconds = int(self.scenario.measure_s)
        for _ in range(seconds):
            await asyncio.sleep(1.0)
            for finding in checks.starving(self.store.engine.books, self.store.now_us()):
                self.record.find(finding)
        return {
            lane: provider.saturation(before[lane], seconds)
            for lane, provider in self.providers.items()
        }

    async def _drain(self, clients: list[Client], lives: list[asyncio.Task[None]]) -> None:
        for client, life in zip(clients, lives, strict=True):
            if client.sleeps:
                life.cancel()
        pending = [*lives, *(task for client in clients for task in client.open)]
        _, hanging = await asyncio.wait(pending, timeout=_DRAIN_S)
        for task in hanging:
            self.record.find(f"a client still waits for an answer: {task.get_name()}")
        for task in lives:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error
        await asyncio.sleep(_AFTER_S)

    def _judge(self, saturation: dict[str, float]) -> None:
        record, scenario, books = self.record, self.scenario, self.store.engine.books
        needed = checks.THROUGHPUT
        if scenario.neighbour:
            needed = checks.THROUGHPUT_BESIDE_A_NEIGHBOUR
        for lane, provider in self.providers.items():
            if saturation[lane] < needed:
                record.find(
                    f"{lane}: only {saturation[lane]:.1%} of the limit is used under backlog"
                )
            record.findings.extend(checks.overrun_findings(record, lane, provider, scenario))
        for scope, budget in self.budgets.items():
            record.findings.extend(budget.worst(checks.uses_of(record, scope)))
        record.findings.extend(checks.late_findings(record))
        record.findings.extend(checks.ledger_findings(books))
        record.findings.extend(checks.left_findings(books))
        record.findings.extend(checks.configuration_findings(books, self.topology))

    async def _neighbour(self) -> None:
        share, rng = self.scenario.neighbour, random.Random(f"{self.scenario.seed}:neighbour")
        while share:
            await asyncio.sleep(rng.expovariate(0.5))
            for provider in self.providers.values():
                limits = provider.limits
                tokens = (limits.itpm or limits.tpm or 0) * share / 30.0
                requests = (limits.rpm or 0) * share / 30.0
                provider.take_as_neighbour(
                    int(requests + rng.random()), int(tokens * rng.uniform(0.2, 1.8))
                )


def _budgets(topology: Topology) -> Iterator[tuple[str, Budget]]:
    for agent in topology.agents.values():
        yield f"agent:{agent.name}", agent.budget
    for team in topology.teams.values():
        yield f"team:{team.name}", team.budget


def run(seed: int) -> Report:
    """Simulate a seed."""
    return run_scenario(draw(seed))


def run_scenario(scenario: Scenario) -> Report:
    """Simulate a scenario."""

    async def main() -> Report:
        return await World(scenario).run()

    quiet = logging.getLogger("gateway.store")
    level = quiet.level
    quiet.setLevel(logging.ERROR)
    try:
        return simulate(main())
    finally:
        quiet.setLevel(level)
