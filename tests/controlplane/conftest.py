"""The admin application over plain values, without a gateway."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import httpx2
import pytest

from gateway.controlplane.app import admin_app
from gateway.controlplane.parts import AdminParts
from gateway.core.admission.inspect import snapshot_budget, snapshot_lane
from gateway.core.admission.operations import Engine
from gateway.core.admission.snapshot import BudgetSnapshot, LaneSnapshot
from gateway.domain.call import Dialect
from gateway.domain.explanation import Explanation
from gateway.domain.limits import LaneLimits
from gateway.domain.topology import Agent, Lane, Provider, Topology
from gateway.ports import Identity, StoreSilent

TOKEN = "token-of-these-tests"
NOW_S = 1_795_564_800.0


def topology() -> Topology:
    """One configured lane and agent."""
    provider = Provider("claude", Dialect.ANTHROPIC, "https://api.invalid")
    lane = Lane("sonnet", "claude", ("claude-*",), LaneLimits(rpm=10))
    return replace(
        Topology({}, {}, {}, {}),
        providers={"claude": provider},
        lanes={"sonnet": lane},
        agents={"ann": Agent("ann", "red", weight=2.0)},
    )


@dataclass
class Desk:
    """Books, directory and memory in one: the model of admission, on a still clock.

    Attributes:
        silent: The store does not answer.
    """

    engine: Engine = field(default_factory=lambda: Engine(3_000_000))
    topology: Topology = field(default_factory=topology)
    explained: dict[str, Explanation] = field(default_factory=dict)
    silent: bool = False

    def call(self, *operations: list[object]) -> None:
        """Operations of one replica."""
        self.engine.call("r1", [["hello"], *operations], int(NOW_S * 1e6))

    async def lanes(self) -> list[str]:
        self._speak()
        return sorted(self.engine.books.lanes)

    async def lane(self, name: str, *, queue: bool = False) -> LaneSnapshot:
        self._speak()
        return snapshot_lane(self.engine.books, name, queue=queue)

    async def agent(self, name: str) -> BudgetSnapshot:
        self._speak()
        return snapshot_budget(self.engine.books, f"agent:{name}")

    async def team(self, name: str) -> BudgetSnapshot:
        self._speak()
        return snapshot_budget(self.engine.books, f"team:{name}")

    async def find(self, request_id: str) -> Explanation | None:
        self._speak()
        return self.explained.get(request_id)

    def identify(self, secret: str) -> Identity | None:
        raise AssertionError(f"no key is asked for, not even {secret}")

    def monotonic(self) -> float:
        return NOW_S

    def wall(self) -> float:
        return NOW_S

    def _speak(self) -> None:
        if self.silent:
            raise StoreSilent("gone")


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def client(desk: Desk) -> AsyncIterator[httpx2.AsyncClient]:
    """An operator with the token."""
    parts = AdminParts(TOKEN, "1.2.3", desk, desk, desk, desk)
    transport = httpx2.ASGITransport(app=admin_app(parts), raise_app_exceptions=False)
    async with httpx2.AsyncClient(
        transport=transport,
        base_url="http://admin",
        headers={"authorization": f"Bearer {TOKEN}"},
    ) as one:
        yield one
