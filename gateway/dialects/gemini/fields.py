"""Fields of a proto JSON object, decoded one at a time and only as far as they are needed.

Proto JSON lets each field be written in camelCase or snake_case, takes whole numbers as strings
too, and reads `null` as absent (provider-facts B9).
"""

from typing import TypeAlias, TypeVar

import msgspec

from gateway.dialects.decoding import without_surrogates
from gateway.domain.call import BadCall

Fields: TypeAlias = dict[str, msgspec.Raw]

BODY = "The request body"
"""The name of the whole in messages."""
MAX_INT32 = 2**31 - 1
_NULL = b"null"
_T = TypeVar("_T")


def objects(raw: msgspec.Raw | bytes, name: str) -> Fields:
    """The fields of an object.

    Raises:
        BadCall: It is not an object; `name` is told to the caller.
    """
    return decoded(raw, Fields, name, "an object")


def decoded(raw: msgspec.Raw | bytes, kind: type[_T], name: str, expected: str) -> _T:
    """One value of a known type.

    Raises:
        BadCall: It has another type, or is not JSON.
    """
    param = None if name is BODY else name
    try:
        return _decode(raw, kind)
    except msgspec.ValidationError:
        raise BadCall(f"{name} must be {expected}.", param) from None
    except RecursionError:
        raise BadCall(f"{name} is nested too deeply.", param) from None
    except (msgspec.DecodeError, UnicodeError) as fault:
        raise BadCall(f"{name} is not valid JSON: {fault}.", param) from None


def _decode(raw: msgspec.Raw | bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(raw, type=kind, strict=False)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        copy = without_surrogates(bytes(raw))
        if copy == raw:
            raise
    return msgspec.json.decode(copy, type=kind, strict=False)


def get(fields: Fields, camel: str, snake: str) -> msgspec.Raw | None:
    """A field in either spelling; `None` if absent or null."""
    for name in (camel, snake):
        raw = fields.get(name)
        if raw is not None and bytes(memoryview(raw)[:4]) != _NULL:
            return raw
    return None


def items(raw: msgspec.Raw, name: str) -> list[msgspec.Raw]:
    """The elements of an array; a single object counts as an array of one, as Google reads it.

    Raises:
        BadCall: It is neither.
    """
    if bytes(memoryview(raw)[:1]) == b"{":
        return [raw]
    return decoded(raw, list[msgspec.Raw], name, "an array")


def integer(raw: msgspec.Raw | None, name: str) -> int | None:
    """A whole number from 0 to the largest int32; `None` if absent.

    Raises:
        BadCall: It is anything else.
    """
    if raw is None:
        return None
    number = decoded(raw, int, name, "an integer")
    if not 0 <= number <= MAX_INT32:
        raise BadCall(f"{name} must be from 0 to {MAX_INT32}.", name)
    return number
