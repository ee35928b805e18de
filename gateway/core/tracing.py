"""A call's place in a distributed trace: W3C Trace Context, level 1.

The caller's trace goes on if it sent one, with its decision whether spans are recorded; otherwise
the call begins a trace of its own, and a share of these is recorded. The share is decided by the
trace id, so that all who use the same rule decide the same.
"""

import re
from collections.abc import Callable
from typing import TypeAlias

from gateway.domain.facts import Trace

Bits: TypeAlias = Callable[[int], int]
"""A number of so many random bits."""

_TRACEPARENT = re.compile(
    rb"(?!ff)(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-"
    rb"(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)
_SAMPLED = 1
_IDS = 1 << 64
_HIGH = 1 << 63
"""Set in each span id of ours, so that none is zero, whatever number is put into its lower half."""
_WAITS = 1 << 32
"""Spans of waits are numbered from here, those of attempts from 1."""


def begin(traceparent: bytes | None, ratio: float, bits: Bits) -> Trace:
    """The place of a call that has just arrived.

    Args:
        traceparent: The caller's header; one that is not well-formed is as good as none.
        ratio: The share of the traces begun here that is recorded, 0 to 1.
        bits: For new ids.
    """
    span_id = f"{bits(63) | _HIGH:016x}"
    parent = None if traceparent is None else _TRACEPARENT.fullmatch(traceparent.strip())
    if parent is not None and _valid(parent):
        sampled = int(parent["flags"], 16) & _SAMPLED == _SAMPLED
        return Trace(parent["trace"].decode(), span_id, parent["span"].decode(), sampled)
    number = bits(128) or 1
    return Trace(f"{number:032x}", span_id, "", number % _IDS < ratio * _IDS)


def attempt_span(trace: Trace, number: int) -> str:
    """The span id of a call's attempt, counted from 1: needed before it, and told after it."""
    return _numbered(trace.span_id, number)


def wait_span(trace: Trace, number: int) -> str:
    """The span id of a call's wait, counted from 1."""
    return _numbered(trace.span_id, _WAITS + number)


def traceparent(trace: Trace, span_id: str) -> bytes:
    """The header that makes a span the parent of what the receiver does."""
    return f"00-{trace.trace_id}-{span_id}-{int(trace.sampled):02x}".encode()


def _valid(parent: re.Match[bytes]) -> bool:
    """Ids of zeros are invalid, and version 00 has nothing after the flags."""
    if not parent["trace"].strip(b"0") or not parent["span"].strip(b"0"):
        return False
    return parent["version"] != b"00" or parent["more"] is None


def _numbered(span_id: str, number: int) -> str:
    return f"{int(span_id, 16) ^ number:016x}"
