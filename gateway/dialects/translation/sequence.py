"""Keeps the parts of a streamed answer in sequence: one is closed before the next is begun."""

from collections.abc import Iterator

from .canonical import Delta, Event, PartBegun, PartEnded, Spoken


class Sequence:
    """What is open."""

    __slots__ = ("_key",)

    def __init__(self) -> None:
        self._key: object = None

    def begin(self, key: object, part: Spoken) -> Iterator[Event]:
        """A part begins, whatever was open before ends. `key` tells it from others."""
        yield from self.end()
        self._key = key
        yield PartBegun(part)

    def more(self, key: object, part: Spoken, text: str) -> Iterator[Event]:
        """More text of a part, which begins if it is not the one that is open."""
        if self._key != key:
            yield from self.begin(key, part)
        if text:
            yield Delta(text)

    def is_open(self, key: object) -> bool:
        """Whether this part is open."""
        return self._key == key

    def end(self) -> Iterator[Event]:
        """What is open ends."""
        if self._key is not None:
            self._key = None
            yield PartEnded()
