"""What a seed stands for: who calls, what limits there are, and what goes wrong when."""

import random
from dataclasses import dataclass, replace

from gateway.domain.call import Priority
from gateway.domain.limits import Budget, BudgetMode, LaneLimits
from gateway.domain.topology import Agent, Lane, QueueSettings, Team, Topology
from gateway.simulator.settings import Limits

from .provider import ANTHROPIC, GEMINI, OPENAI

AGEING_S = 20.0
MAX_WAIT_S = 60.0
_BANDS = (Priority.URGENT, Priority.NORMAL, Priority.BACKGROUND)
_LIMITS = {
    ANTHROPIC: Limits(rpm=100, itpm=100_000, otpm=16_000, concurrency=24),
    OPENAI: Limits(rpm=80, tpm=120_000),
    GEMINI: Limits(rpm=60, itpm=120_000),
}
_FAULTS = (
    "kill",
    "stop",
    "partition",
    "store_pause",
    "store_kept",
    "store_old",
    "store_empty",
    "clock",
    "flaky",
    "slow",
    "edit",
    "halt_lane",
)


@dataclass(frozen=True, slots=True)
class Habits:
    """How one agent calls.

    Attributes:
        lane: Where.
        per_minute: Of a Poisson stream of calls; 0: `workers` call again and again.
        burst: Calls that come together.
        error: The estimate of input is off by up to this share, either way.
        growth: Output may be so many times what was estimated.
        gives_up: Share of calls whose client has less patience than its `max_wait`.
        hangs_up: Share of running calls whose client leaves.
    """

    agent: str
    lane: str
    priority: Priority
    per_minute: float = 0.0
    workers: int = 0
    burst: int = 1
    input_tokens: tuple[int, int] = (1000, 6000)
    output_tokens: tuple[int, int] = (100, 600)
    error: float = 0.0
    growth: float = 1.0
    max_wait_s: float = MAX_WAIT_S
    gives_up: float = 0.0
    hangs_up: float = 0.0


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong."""

    at_s: float
    kind: str
    for_s: float
    amount: float
    """0 to 1; what it means depends on the kind."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One seed, spelt out."""

    seed: int
    replicas: int
    topology: Topology
    limits: dict[str, Limits]
    dialects: dict[str, str]
    habits: tuple[Habits, ...]
    faults: tuple[Fault, ...]
    neighbour: float
    """Its share of each limit."""
    faults_end_s: float
    settle_s: float = 90.0
    measure_s: float = 120.0

    @property
    def calm(self) -> bool:
        """Nothing goes wrong, and nobody is wrong."""
        return not self.faults and not self.neighbour and not any(h.error for h in self.habits)


def draw(seed: int) -> Scenario:
    """The scenario of a seed. Each fifth is calm."""
    rng = random.Random(f"{seed}:scenario")
    calm = seed % 5 == 0
    dialects = {f"{d}-lane": d for d in rng.sample([ANTHROPIC, OPENAI, GEMINI], rng.choice((1, 2)))}
    neighbour = 0.0 if calm or rng.random() < 0.6 else rng.uniform(0.05, 0.25)
    habits, agents = _people(rng, list(dialects), calm=calm)
    limits = {lane: _LIMITS[dialect] for lane, dialect in dialects.items()}
    lanes = {
        name: Lane(
            name,
            dialects[name],
            ("*",),
            LaneLimits(of.rpm, of.itpm, of.otpm, of.tpm, of.concurrency),
            counts_cached_input=dialects[name] != ANTHROPIC,
            charges_max_output=dialects[name] == OPENAI,
        )
        for name, of in limits.items()
    }
    teams = {"red": Team("red", Budget(tpm=60_000)), "blue": Team("blue")}
    queue = QueueSettings(max_wait_s=MAX_WAIT_S, max_depth=60, ageing_s=AGEING_S)
    faults_end_s = 60.0 if calm else rng.uniform(120, 300)
    return Scenario(
        seed=seed,
        replicas=rng.choice((1, 2, 3, 3)),
        topology=Topology({}, lanes, teams, agents, queue),
        limits=limits,
        dialects=dialects,
        habits=habits,
        faults=() if calm else _faults(rng, faults_end_s),
        neighbour=neighbour,
        faults_end_s=faults_end_s,
    )


def shortened(scenario: Scenario) -> Scenario:
    """The same people and limits, no faults, little time."""
    return replace(
        scenario, faults=(), neighbour=0.0, faults_end_s=20.0, settle_s=30.0, measure_s=30.0
    )


def _faults(rng: random.Random, end_s: float) -> tuple[Fault, ...]:
    """A few kinds, so that each has seeds in which it is alone."""
    kinds = rng.sample(_FAULTS, rng.randint(1, 5))
    times = sorted(rng.uniform(15.0, end_s - 15.0) for _ in range(rng.randint(3, 14)))
    return tuple(
        Fault(
            at_s,
            rng.choice(kinds),
            rng.choice((0.1, 1.0, 3.0, 8.0)) * rng.uniform(0.5, 1.5),
            rng.random(),
        )
        for at_s in times
    )


def _people(
    rng: random.Random, lanes: list[str], *, calm: bool
) -> tuple[tuple[Habits, ...], dict[str, Agent]]:
    """Two agents with budgets for each band, and in each lane a crowd that saturates it."""
    error = 0.0 if calm or rng.random() < 0.5 else rng.uniform(0.01, 0.1)
    growth = rng.choice((1.0, 1.0, 1.8))
    habits, agents = [], {}
    for band in _BANDS:
        for number in range(2):
            name = f"{band.value}{number}"
            budget = _budget(rng)
            agents[name] = Agent(
                name, rng.choice(("red", "blue", None)), band, rng.choice((1, 1, 2, 0.5)), budget
            )
            usual = Habits(
                name,
                rng.choice(lanes),
                band,
                per_minute=rng.uniform(2, 8),
                burst=rng.choice((1, 1, 6)),
                error=error,
                growth=growth,
                max_wait_s=rng.choice((0.0, 5.0, MAX_WAIT_S)),
                gives_up=rng.choice((0.0, 0.3)),
                hangs_up=rng.choice((0.0, 0.2)),
            )
            habits.append(
                replace(usual, input_tokens=(300, 1500)) if band is Priority.URGENT else usual
            )
    for lane in lanes:
        for band, workers in ((Priority.NORMAL, 5), (Priority.BACKGROUND, 7)):
            name = f"crowd-{band.value}-{lane}"
            agents[name] = Agent(name, None, band)
            habits.append(Habits(name, lane, band, workers=workers, error=error, growth=growth))
    return tuple(habits), agents


def _budget(rng: random.Random) -> Budget:
    mode = rng.choice((BudgetMode.HARD, BudgetMode.HARD, BudgetMode.SOFT))
    return rng.choice(
        (
            Budget(),
            Budget(tpm=rng.randrange(8_000, 30_000), mode=mode),
            Budget(rpm=rng.randrange(3, 12), tpm=40_000, mode=mode),
            Budget(concurrency=rng.randrange(1, 4), mode=mode),
        )
    )
