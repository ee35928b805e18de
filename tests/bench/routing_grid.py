"""What enforcing a route costs against staying, over a grid of sessions, by the real price table.

A session has a prefix, that is warm or cold in the requested model's cache, and grows by each turn.
Its first call is decided by the very functions that the gateway uses. A moved session is taken back
half-way with the probability that the gate reckons with, and then pays for its whole prefix anew.
Each cell is the expected cost of a whole session divided by that of staying.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product

from gateway.core.estimate import Estimate, token_density
from gateway.core.routing.costs import ESCALATION_PRIOR, Comparison, Side, compare, sides, usage
from gateway.core.routing.decide import Question, decide
from gateway.core.routing.score import structural
from gateway.domain.call import CallFacts, Dialect
from gateway.domain.routes import Preference, Route, RouteMatch, RouteMode
from gateway.domain.signals import Signals
from gateway.domain.topology import Provider
from gateway.domain.usage import Usage
from gateway.wiring.prices import Prices

PAIRS = (
    ("claude-sonnet-5", "claude-haiku-4-5"),
    ("claude-sonnet-4-5", "claude-haiku-4-5"),
    ("claude-opus-4-8", "claude-haiku-4-5"),
    ("claude-opus-5-5", "claude-haiku-4-5"),
    ("claude-sonnet-5-5", "claude-haiku-5-5"),
    ("claude-sonnet-5", "gpt-4o-mini"),
    ("claude-opus-4-8", "gpt-4o-mini"),
    ("gpt-5", "gpt-4o-mini"),
)
PREFIXES = (5_000, 20_000, 50_000, 100_000, 150_000)
TURNS = (1, 3, 10, 30)
PAUSES_S = (30.0, 900.0)
"""Between two turns: within the lifetime of a cache entry, and beyond it."""
LIFETIME_S = 300
GROWTH_TOKENS = 600
ANSWER_TOKENS = 300
_AT = datetime(2026, 11, 25, tzinfo=UTC).timestamp()
_ROUTE = Route(RouteMatch(), "", RouteMode.ENFORCE, name="grid", holdout=0.0)
_PROVIDERS = {
    "claude": Provider("claude", Dialect.ANTHROPIC, "https://api.anthropic.com"),
    "gpt": Provider("openai", Dialect.OPENAI, "https://api.openai.com/v1"),
}


@dataclass(frozen=True)
class Cell:
    """One kind of session.

    Attributes:
        warm: The requested model's cache holds the prefix.
        pause_s: Between turns.
    """

    stay: str
    move: str
    prefix: int
    warm: bool
    turns: int
    pause_s: float

    @property
    def pair(self) -> str:
        """Both models."""
        return f"{self.stay} -> {self.move}"


@dataclass(frozen=True)
class Result:
    """What a cell costs.

    Attributes:
        moved: What was decided.
        ratio: Enforced against staying.
        blind: Moving without looking at the cache, against staying.
    """

    cell: Cell
    moved: bool
    ratio: float
    blind: float


class Grid:
    """All cells."""

    def __init__(self) -> None:
        self._prices = Prices()

    def results(self) -> Iterator[Result]:
        """Each cell's result."""
        for (stay, move), prefix, warm, turns, pause_s in product(
            PAIRS, PREFIXES, (True, False), TURNS, PAUSES_S
        ):
            yield self.result(Cell(stay, move, prefix, warm, turns, pause_s))

    def result(self, cell: Cell) -> Result:
        """One cell's result."""
        staying = self._session(cell, self._sides(cell, cell.prefix)[0], 0, cell.turns)
        moving = self._expected(cell)
        moved = self._decided(cell)
        return Result(cell, moved, (moving if moved else staying) / staying, moving / staying)

    def price(self, model: str, use: Usage) -> tuple[int, bool]:
        """By the published prices."""
        provider = _PROVIDERS[model.partition("-")[0]]
        cost = self._prices(provider, (model,), use, _AT)
        return cost.microusd, cost.priced

    def compare(self, cell: Cell) -> Callable[[int], Comparison]:
        """The gate's reckoning for the first call of a session."""
        stay, move = self._sides(cell, cell.prefix)

        def reckoned(warm_tokens: int) -> Comparison:
            return compare(stay, move, warm_tokens, self.price, ESCALATION_PRIOR)

        return reckoned

    def _decided(self, cell: Cell) -> bool:
        """What the gateway decides on the first call."""
        facts = CallFacts(
            cell.stay, prompt_bytes=3 * cell.prefix, cache_lifetime_s=LIFETIME_S, tools=0
        )
        signals = Signals(ask="Which port does it listen on?", ask_bytes=30)
        asked = Question(
            route=_ROUTE,
            mode=RouteMode.ENFORCE,
            facts=facts,
            signals=signals,
            preference=Preference.AUTO,
            retry=False,
            conversation="cell",
            pin=None,
            unmet="",
            above_ceiling=False,
            below_floor=False,
            warm=cell.prefix if cell.warm else 0,
            compare=self.compare(cell),
            score=lambda: structural(signals, facts),
        )
        return decide(asked).moves

    def _expected(self, cell: Cell) -> float:
        """A session on the other model, sometimes taken back half-way."""
        side = self._sides(cell, cell.prefix)[1]
        whole = self._session(cell, side, 0, cell.turns, cold=True)
        half = cell.turns // 2
        back = self._session(cell, side, 0, half, cold=True)
        rest = self._sides(cell, cell.prefix)[0]
        back += self._session(cell, rest, half, cell.turns, cold=True)
        return (1 - ESCALATION_PRIOR) * whole + ESCALATION_PRIOR * back

    def _session(
        self, cell: Cell, side: Side, first: int, last: int, *, cold: bool = False
    ) -> float:
        """What the turns from `first` to `last` cost on one model."""
        density = token_density(side.model) / token_density(cell.stay)
        held = 0 if cold or not cell.warm else round(cell.prefix * density)
        total = 0
        for turn in range(first, last):
            prompt = round((cell.prefix + turn * (GROWTH_TOKENS + ANSWER_TOKENS)) * density)
            now = Side(
                side.model,
                prompt,
                round(ANSWER_TOKENS * density),
                side.caches,
                side.cached_from_tokens,
            )
            total += self.price(side.model, usage(now, held))[0]
            held = prompt if cell.pause_s < LIFETIME_S else 0
        return float(total)

    @staticmethod
    def _sides(cell: Cell, prefix: int) -> tuple[Side, Side]:
        same = cell.stay.partition("-")[0] == cell.move.partition("-")[0]
        guess = Estimate(prefix, 0, ANSWER_TOKENS)
        return sides(cell.stay, cell.move, guess, cached=True, same_dialect=same)
