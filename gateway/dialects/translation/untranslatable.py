"""How a translation says no, and how it keeps account of what it leaves out."""

from gateway.domain.call import BadCall

MAX_EVENT_BYTES = 64 * 1024 * 1024
"""The longest event of a stream that is read; a longer one would be missing from the answer."""


class Untranslatable(BadCall):
    """The call cannot be said in another format without changing what it asks for."""


class Unreadable(Exception):  # noqa: N818 - a fact about the provider, not a fault of ours
    """A provider's answer is not what its format promises."""


class Dropped:
    """The caller's fields that were left out, in the order in which they were met."""

    __slots__ = ("_names",)

    def __init__(self) -> None:
        self._names: dict[str, None] = {}

    def add(self, name: str) -> None:
        """Leave a field out; the same name counts once."""
        self._names[name] = None

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(self._names)
