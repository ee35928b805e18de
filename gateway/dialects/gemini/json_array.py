"""Finds the objects of a JSON array while it arrives, each byte looked at once.

This is how `streamGenerateContent` answers without `alt=sse` (provider-facts B9).

Failure policy: an object longer than the bound is let through unread; what is not an array of
objects yields nothing.
"""

import re

MAX_OBJECT_BYTES = 4 * 1024 * 1024

# Whole strings and anything without structure, in one go; what follows is a bracket, a string
# that is not whole yet, or the end of the chunk. Possessive, so that nothing is looked at twice.
_PLAIN = re.compile(rb'(?:[^"{}\[\]]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+', re.DOTALL)
_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_OPENING = frozenset(b"{[")
_QUOTE = ord('"')


class ObjectSplitter:
    """Cuts the elements out of a JSON array; a single object counts as an array of one.

    Attributes:
        closed: The array has ended.
    """

    __slots__ = ("_depth", "_escaped", "_floor", "_in_string", "_max", "_pieces", "_size", "closed")

    def __init__(self, max_object_bytes: int = MAX_OBJECT_BYTES) -> None:
        self.closed = False
        self._max = max_object_bytes
        self._depth = 0
        self._floor = -1  # the depth at which elements begin; known at the first bracket
        self._in_string = False
        self._escaped = False
        self._pieces: list[bytes] = []
        self._size = 0

    @property
    def at_boundary(self) -> bool:
        """Whether everything so far ends between two elements."""
        return self._depth <= max(self._floor, 0) and not self._in_string

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take the next bytes; return the objects that are now whole."""
        found: list[bytes] = []
        start = 0  # of the element that is open, within this chunk
        at = self._string(chunk, 0) if self._in_string else 0
        while not self._in_string:
            at = self._skip(chunk, at)
            if at >= len(chunk):
                break
            code = chunk[at]
            at += 1
            if code == _QUOTE:
                self._in_string = True
                at = self._string(chunk, at)
            elif code in _OPENING:
                if self._opens(code):
                    start = at - 1
            elif self._closes():
                found += self._close(chunk[start:at])
        if self._inside:
            self._keep(chunk[start:])
        return found

    @property
    def _inside(self) -> bool:
        return self._floor >= 0 and self._depth > self._floor

    def _skip(self, chunk: bytes, at: int) -> int:
        match = _PLAIN.match(chunk, at)
        return match.end() if match else at

    def _string(self, chunk: bytes, at: int) -> int:
        """Go on within a string; return the place after it, or the end of the chunk."""
        if self._escaped and chunk:
            self._escaped = False
            at += 1
        match = _STRING.match(chunk, at)
        end = match.end() if match else at
        if end >= len(chunk):
            return len(chunk)
        if chunk[end] == _QUOTE:
            self._in_string = False
            return end + 1
        self._escaped = True  # a backslash at the end: its other half is in the next chunk
        return len(chunk)

    def _opens(self, code: int) -> bool:
        """One level down; whether an element begins here."""
        if self._floor < 0:
            self._floor = 1 if code == ord("[") else 0
        self._depth += 1
        return self._depth == self._floor + 1

    def _closes(self) -> bool:
        """One level up; whether an element ends here."""
        self._depth -= 1
        self.closed = self.closed or self._depth <= 0
        return self._depth == self._floor

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= self._max:
            self._pieces.append(piece)
        else:
            self._pieces.clear()

    def _close(self, piece: bytes) -> list[bytes]:
        self._keep(piece)
        whole = b"".join(self._pieces)
        fits = self._size <= self._max
        self._pieces.clear()
        self._size = 0
        return [whole] if fits else []
