"""Label values from outside are capped: the first so many names keep theirs, the rest share one."""

OTHER = "other"


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
