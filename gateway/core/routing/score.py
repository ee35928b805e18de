"""How simple a call looks from outside: a score from 0 to 1 out of structural signals.

It reads the newest ask only, since what came before was answered already, and structure rather
than words: a classifier of words learns the domain and not the difficulty (docs/routing.md has the
figures). Each part takes away from 1; the weights are this project's own, and the benchmark
(`make bench-routing`) says what they are worth.
"""

import re
from math import sqrt

from gateway.domain.call import CallFacts
from gateway.domain.signals import Need, Signals
from gateway.domain.value import value

_STEPS = re.compile(r"^[ \t]{0,8}(?:\d{1,2}[.)]|[-*])\s", re.MULTILINE)
_DEMANDING = frozenset(
    [
        "architecture",
        "concurrency",
        "deadlock",
        "debug",
        "derive",
        "derivation",
        "design",
        "diagnose",
        "failing",
        "fix",
        "implement",
        "investigate",
        "migrate",
        "migration",
        "optimise",
        "optimize",
        "proof",
        "prove",
        "race",
        "refactor",
        "refactoring",
        "regression",
        "theorem",
        "tradeoff",
        "tradeoffs",
        "trade-off",
        "trade-offs",
        "vulnerability",
        "why",
    ]
)
_FILES = (
    ".c", ".cc", ".cpp", ".cs", ".go", ".h", ".java", ".js", ".json", ".kt", ".php", ".py", ".rb",
    ".rs", ".sh", ".sql", ".swift", ".toml", ".ts", ".tsx", ".yaml", ".yml",
)  # fmt: skip
_APART = str.maketrans(dict.fromkeys(",:;!?()[]{}<>\"'`", " "))
_FENCE = "```"
_LONG_BYTES = 12_000
_MANY_TOOLS = 12
_AT_WORK = 4
"""So many tool calls, and the agent is in the middle of something."""
_DEEP_TURNS = 12
_READ = 2_048
"""So much is read of each end: orders stand there, and what is between is what they are about."""


@value
class Score:
    """How simple, and what spoke against it.

    Attributes:
        simplicity: 0 to 1.
        parts: What was taken off, by its name.
    """

    simplicity: float
    parts: tuple[tuple[str, float], ...]

    @property
    def told(self) -> str:
        """The parts that count most, in a few words."""
        ranked = sorted(self.parts, key=lambda part: -part[1])[:3]
        return ", ".join(f"{name} {off:.2f}" for name, off in ranked) or "nothing against it"


def structural(signals: Signals, facts: CallFacts) -> Score:
    """The score of one call."""
    ask = signals.ask
    if len(ask) > 2 * _READ:
        ask = f"{ask[:_READ]}\n{ask[-_READ:]}"
    words = set(ask.lower().translate(_APART).split())
    demands = min(len(words & _DEMANDING), 3) / 3
    steps = min(max(0, len(_STEPS.findall(ask)) - 1), 6) / 6
    weighed = (
        ("length", 0.30 * _ramp(signals.ask_bytes, 200, _LONG_BYTES)),
        ("code", 0.25 * _code(ask, words)),
        ("demanding words", 0.25 * demands),
        ("many steps", 0.15 * steps),
        ("tools", 0.20 * _ramp(facts.tools, 0, _MANY_TOOLS)),
        ("at work", 0.35 * _ramp(len(signals.tool_uses), 0, _AT_WORK)),
        ("depth", 0.15 * _ramp(signals.turns, 1, _DEEP_TURNS)),
        ("thinking", 0.35 if signals.thinking else 0.0),
        ("images", 0.15 if Need.VISION in signals.needs or facts.media_tokens else 0.0),
        ("plan mode", 0.60 if signals.plan_mode else 0.0),
        ("long answer", 0.10 * _ramp(facts.max_output_tokens or 0, 4_096, 32_000)),
    )
    parts = tuple((name, off) for name, off in weighed if off > 0)
    return Score(max(0.0, 1.0 - sum(off for _, off in parts)), parts)


def _code(ask: str, words: set[str]) -> float:
    """How much of an ask is code, 0 to 1: fences or names of source files.

    The share of code's characters was tried and says nothing: formulas have as many.
    """
    if _FENCE in ask:
        return 1.0
    return 0.5 if any(word.endswith(_FILES) for word in words) else 0.0


def _ramp(figure: float, low: float, high: float) -> float:
    """0 up to `low`, 1 from `high` on, by the square root between: the first steps count most."""
    if figure <= low:
        return 0.0
    return sqrt(min(1.0, (figure - low) / (high - low)))
