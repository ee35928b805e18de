"""Reads a caller's JSON object field by field, and knows what nobody has read.

Absent and null are the same. A wrong type is the caller's error and is named: there is no
provider of the caller's own dialect to judge it.
"""

import re
from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

import msgspec

from gateway.dialects.decoding import UNREADABLE, decode

from .untranslatable import Dropped, Untranslatable

_JSON = msgspec.json.Decoder(dict[str, object])
_Value = TypeVar("_Value", bound=Enum)
_MISSING = object()
_EMPTY: tuple[object, ...] = (None, "", [], {})
_INDEX = re.compile(r"\[\d+\]")


class Treatment(Enum):
    """What happens to a field of a request."""

    CARRIED = "carried"
    DROPPED = "dropped"
    """Left out, and listed: the answer is as good without it."""
    REFUSED = "refused"
    """The call is refused: without it, it would be another call."""


class Fields:
    """One object.

    Attributes:
        where: Its path in the body, empty for the body itself.
        account: Is told what is left out.
    """

    __slots__ = ("_left", "account", "where")

    def __init__(self, value: object, where: str, dropped: Dropped) -> None:
        """See the class; `value` must be an object."""
        if not isinstance(value, Mapping):
            raise Untranslatable(f"{where or 'The body'} must be an object.", where or None)
        self.where = where
        self._left = {str(name): one for name, one in value.items() if one is not None}
        self.account = dropped

    def path(self, name: str) -> str:
        """The path of a field."""
        return f"{self.where}.{name}" if self.where else name

    def has(self, name: str) -> bool:
        """Whether a field is there, and was not read yet."""
        return name in self._left

    def first(self) -> str | None:
        """The name of a field that nobody has read; `None` if all were."""
        return next(iter(self._left), None)

    def peek(self, name: str) -> object:
        """The value of a field that stays to be read; `None` if absent."""
        return self._left.get(name)

    def any(self, *names: str) -> object:
        """The value of the first of these fields that is there; `None` if none is."""
        for name in names:
            value = self._left.pop(name, _MISSING)
            if value is not _MISSING:
                return value
        return None

    def text(self, *names: str) -> str:
        """A text; empty if absent."""
        value = self.any(*names)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.wrong(names[0], "a string")
        return value

    def flag(self, *names: str) -> bool | None:
        """A boolean."""
        value = self.any(*names)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(names[0], "a boolean")
        return value

    def number(self, *names: str) -> float | None:
        """A number."""
        value = self.any(*names)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(names[0], "a number")
        return value

    def whole(self, *names: str) -> int | None:
        """A whole number, 0 or more; 9.0 and "9" are taken for 9, as servers do."""
        value = self.any(*names)
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, str) and value.isdecimal():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.wrong(names[0], "a whole number")
        return value

    def items(self, *names: str) -> list[object]:
        """The elements of an array; empty if absent."""
        value = self.any(*names)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.wrong(names[0], "an array")
        return value

    def texts(self, *names: str) -> tuple[str, ...]:
        """An array of texts; a text alone is an array of one."""
        value = self.any(*names)
        found = [value] if isinstance(value, str) else value
        if found is None:
            return ()
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise self.wrong(names[0], "an array of strings")
        return tuple(found)

    def inner(self, *names: str) -> "Fields | None":
        """An object; `None` if absent."""
        value = self.any(*names)
        return None if value is None else Fields(value, self.path(names[0]), self.account)

    def objects(self, *names: str) -> "list[Fields]":
        """An array of objects."""
        return self.within(names[0], self.items(*names))

    def within(self, name: str, value: object) -> "list[Fields]":
        """The objects of an array that was read from the field of this name."""
        if not isinstance(value, list):
            raise self.wrong(name, "an array")
        where = self.path(name)
        return [Fields(one, f"{where}[{i}]", self.account) for i, one in enumerate(value)]

    def json(self, *names: str) -> "dict[str, object] | None":
        """An object, as it is."""
        value = self.any(*names)
        if value is not None and not isinstance(value, dict):
            raise self.wrong(names[0], "an object")
        return value

    def one_of(self, kind: type[_Value], *names: str) -> _Value | None:
        """One of the values of an enum."""
        value = self.any(*names)
        if value is None:
            return None
        try:
            return kind(value)
        except ValueError:
            known = ", ".join(str(one.value) for one in kind)
            raise self.wrong(names[0], f"one of: {known}") from None

    def drop(self, *names: str) -> None:
        """Leave fields out. What is empty asks for nothing, and is not listed."""
        for name in names:
            if self._left.pop(name, None) not in _EMPTY:
                self.account.add(_INDEX.sub("", self.path(name)))

    def ignore(self, *names: str) -> None:
        """Pass over fields that say nothing which the rest does not say."""
        for name in names:
            self._left.pop(name, None)

    def rest(self) -> None:
        """What is left, in an object below the body, is left out."""
        self.drop(*tuple(self._left))

    def treat(self, treatments: Mapping[str, Treatment]) -> None:
        """What is left of the body itself, by a table; what no table knows is refused."""
        for name, value in tuple(self._left.items()):
            if treatments.get(name) is Treatment.DROPPED or (
                name in treatments and value in _EMPTY
            ):
                self.drop(name)
            else:
                raise self.refused(name)

    def refused(self, name: str, why: str = "") -> Untranslatable:
        """To be raised: this field cannot be carried."""
        path = self.path(name)
        reason = why or "it has no counterpart in the other provider's API"
        return Untranslatable(f"{path} cannot be translated: {reason}.", path)

    def wrong(self, name: str, expected: str) -> Untranslatable:
        """To be raised: this field has a wrong type."""
        path = self.path(name)
        return Untranslatable(f"{path} must be {expected}.", path)


def parsed(data: bytes) -> dict[str, object]:
    """The JSON object that a body is.

    Raises:
        Untranslatable: It is none.
    """
    try:
        return decode(_JSON, data)
    except UNREADABLE:
        raise Untranslatable("The body is not a JSON object.") from None


def opened(data: bytes, dropped: Dropped) -> Fields:
    """The body of a request.

    Raises:
        Untranslatable: It is no JSON object.
    """
    return Fields(parsed(data), "", dropped)


def compact(value: object) -> str:
    """JSON without spaces."""
    return msgspec.json.encode(value).decode()


def object_of(text: str) -> dict[str, object] | None:
    """The object that a text is; an empty text is an empty object, `None`: it is none."""
    if not text.strip():
        return {}
    try:
        return decode(_JSON, text.encode(errors="replace"))
    except UNREADABLE:
        return None
