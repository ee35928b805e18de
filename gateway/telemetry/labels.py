"""Label values from outside are capped: the first so many names keep theirs, the rest share one.

Sessions, requests and users are never labels. What a gateway can show at most follows from these
caps, from enums, and from the configuration; a test floods it with names and counts.
"""

OTHER = "other"
MAX_AGENTS = 200
MAX_TEAMS = 100
MAX_MODELS = 200
MAX_LANES = 200
MAX_TAGS = 100
MAX_SPENDERS = 5_000
"""Combinations of agent, team, lane and model; each has its own counters of tokens and money."""
MAX_MOVES = 200
"""Combinations of two lanes, or of two models."""
MAX_BREAKERS = 500


class CappedNames:
    """Lets at most `cap` different names through."""

    __slots__ = ("_cap", "_known")

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._known: set[str] = set()

    def __call__(self, name: str) -> str:
        """The name, or `other` once the cap is reached."""
        if name in self._known:
            return name
        if len(self._known) >= self._cap:
            return OTHER
        self._known.add(name)
        return name


class CappedTuples:
    """Lets at most `cap` different combinations through; each name of a further one is `other`."""

    __slots__ = ("_cap", "_known")

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._known: dict[tuple[str, ...], tuple[str, ...]] = {}

    def __call__(self, *names: str) -> tuple[str, ...]:
        """The names, or `other` for each of them once the cap is reached."""
        known = self._known.get(names)
        if known is not None:
            return known
        if len(self._known) >= self._cap:
            return (OTHER,) * len(names)
        self._known[names] = names
        return names


class Names:
    """The caps of one worker."""

    def __init__(self) -> None:
        self.agent = CappedNames(MAX_AGENTS)
        self.team = CappedNames(MAX_TEAMS)
        self.model = CappedNames(MAX_MODELS)
        self.lane = CappedNames(MAX_LANES)
        self.tag = CappedNames(MAX_TAGS)
        self.breaker = CappedNames(MAX_BREAKERS)
        self.spender = CappedTuples(MAX_SPENDERS)
        self.lanes = CappedTuples(MAX_MOVES)
        self.models = CappedTuples(MAX_MOVES)
