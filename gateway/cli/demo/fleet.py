"""The demo's fleet: ten roles as teams have them, and the provider limits that they share."""

import string
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random  # noqa: TID251 - seeded by the caller, so that a demo can be repeated

from gateway.config import configured_lane
from gateway.config.simulated import simulated_providers
from gateway.domain.call import Dialect, Priority
from gateway.domain.limits import Budget, LaneLimits
from gateway.domain.topology import Agent, Lane

MINUTE_S = 6.0
"""How long a minute of the simulated providers takes, so that a short demo shows several."""
MAX_WAIT_S = 60.0

MODELS = {
    Dialect.ANTHROPIC: "claude-sonnet-5",
    Dialect.OPENAI: "gpt-5-mini",
    Dialect.GEMINI: "gemini-2.5-flash",
}
LIMITS = {
    Dialect.ANTHROPIC: LaneLimits(rpm=50, itpm=80_000, otpm=16_000),
    Dialect.OPENAI: LaneLimits(rpm=60, tpm=60_000),
    Dialect.GEMINI: LaneLimits(rpm=30, itpm=60_000),
}
_BYTES_PER_TOKEN = {Dialect.ANTHROPIC: 3.08, Dialect.OPENAI: 4.0, Dialect.GEMINI: 4.0}
_SPARE_OUTPUT = 1.25
_LONGEST_PAUSE = 2.0  # times the mean
_TEXT = (
    "the worker reads a file and writes what it found into the report before it asks again "
    "which test failed and why the build took so long on the second machine; "
)


@dataclass(frozen=True, slots=True)
class Member:
    """One agent of the fleet.

    Attributes:
        workers: Calls it makes at once.
        pause_s: Mean pause between two calls of a worker, about exponential.
        prompt_tokens: Shortest and longest prompt.
        output_tokens: Shortest and longest answer.
        stream: Whether it streams.
    """

    name: str
    dialect: Dialect
    priority: Priority
    workers: int
    pause_s: float
    prompt_tokens: tuple[int, int]
    output_tokens: tuple[int, int]
    stream: bool = False
    weight: float = 1.0
    budget: Budget = Budget()

    @property
    def key(self) -> str:
        """Its gateway key."""
        return f"gw-demo-key-of-{self.name}"

    @property
    def agent(self) -> Agent:
        """What the gateway is told of it."""
        return Agent(self.name, priority=self.priority, weight=self.weight, budget=self.budget)


_CLAUDE, _OPENAI, _GEMINI = Dialect.ANTHROPIC, Dialect.OPENAI, Dialect.GEMINI
_URGENT, _NORMAL, _BACKGROUND = Priority.URGENT, Priority.NORMAL, Priority.BACKGROUND
_SMALL, _CODE = ((300, 1_200), (40, 120)), ((4_000, 12_000), (300, 800))

ROLES = (
    Member("oncall", _CLAUDE, _URGENT, 1, 0.8, *_SMALL, stream=True),
    Member("coder", _CLAUDE, _NORMAL, 2, 0.1, *_CODE, stream=True, weight=2),
    Member("planner", _OPENAI, _NORMAL, 2, 0.2, (2_000, 6_000), (200, 600), stream=True),
    Member("researcher", _GEMINI, _NORMAL, 3, 0.2, *_CODE, stream=True),
    Member("indexer", _CLAUDE, _BACKGROUND, 3, 0.0, (2_000, 4_000), (100, 300)),
    Member("refactorer", _CLAUDE, _NORMAL, 2, 0.1, *_CODE, stream=True),
    Member("reviewer", _CLAUDE, _NORMAL, 2, 0.1, (3_000, 8_000), (200, 600), True, 1.0,
           Budget(tpm=16_000)),
    Member("triage", _OPENAI, _URGENT, 1, 0.8, *_SMALL),
    Member("tagger", _OPENAI, _BACKGROUND, 4, 0.0, (1_000, 3_000), (50, 150)),
    Member("digest", _GEMINI, _BACKGROUND, 2, 0.0, (3_000, 8_000), (100, 300)),
)  # fmt: skip


def fleet(count: int) -> tuple[Member, ...]:
    """So many agents: the roles in their order, again with other names once they are used up."""

    def member(number: int) -> Member:
        role = ROLES[number % len(ROLES)]
        again = number // len(ROLES)
        return replace(role, name=f"{role.name}-{again + 1}") if again else role

    return tuple(member(number) for number in range(count))


def lanes() -> Iterator[Lane]:
    """One lane for each provider, with the limits that the simulator enforces."""
    for name, provider in simulated_providers("http://127.0.0.1").items():
        yield configured_lane(name, provider, ("*",), LIMITS[provider.dialect])


@dataclass(frozen=True, slots=True)
class Task:
    """One call that an agent wants to make.

    Attributes:
        id: `AGENT/NUMBER`, sent along so that the simulator's log names it.
    """

    id: str
    member: Member
    prompt: str
    max_tokens: int

    @property
    def model(self) -> str:
        """The model to call."""
        return MODELS[self.member.dialect]


def tasks(member: Member, worker: int, seed: int) -> Iterator[tuple[float, Task]]:
    """What a worker does: pauses in seconds, and the calls after them. Repeatable by seed."""
    random = Random(f"{seed}/{member.name}/{worker}")  # noqa: S311 - to be repeatable, not secret
    number = worker
    while True:
        pause_s = min(random.expovariate(1), _LONGEST_PAUSE) * member.pause_s
        output = random.randint(*member.output_tokens)
        size = int(random.randint(*member.prompt_tokens) * _BYTES_PER_TOKEN[member.dialect])
        # What differs comes first, so that no provider finds a cached prefix.
        opening = "".join(random.choices(string.ascii_lowercase, k=24))
        prompt = f"{opening} {(_TEXT * (size // len(_TEXT) + 1))[:size]} [[output={output}]]"
        yield pause_s, Task(f"{member.name}/{number}", member, prompt, int(output * _SPARE_OUTPUT))
        number += member.workers
