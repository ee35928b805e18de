"""A text as numbers: hashed words and pairs of words, and its length. Needs numpy.

All words are hashed at once: with prefix sums of a polynomial over the bytes, the hash of any word
is one subtraction and one multiplication, so a text of 16 kB takes a fraction of a millisecond
without a loop over its words. The arithmetic is that of the ring of integers modulo 2**64, in which
odd numbers have an inverse.
"""

import math

import numpy as np
import numpy.typing as npt

BUCKETS = 1_024
MAX_BYTES = 16_384
"""Of a longer text, the two ends are read."""
WIDTH = BUCKETS + 2
"""Buckets, length, constant."""
LENGTH_SCALE = 0.1
"""How much the length weighs beside the words, whose vector has the length 1."""

Array = npt.NDArray[np.float32]
_Hashes = npt.NDArray[np.uint64]

_ODD = 0x9E3779B97F4A7C15
_MASK = 2**64 - 1
_MIX = np.uint64(0xBF58476D1CE4E5B9)
_PAIR = np.uint64(0x94D049BB133111EB)
_LONGEST = MAX_BYTES + 1


def _powers(base: int) -> _Hashes:
    found, power = np.empty(_LONGEST, np.uint64), 1
    for i in range(_LONGEST):
        found[i] = power
        power = power * base & _MASK
    return found


_POWERS, _INVERSES = _powers(_ODD), _powers(pow(_ODD, -1, 2**64))
_LOWER = bytes(range(256)).lower()
_IN_WORD = bytes(
    (chr(byte).isascii() and chr(byte).isalnum()) or byte >= 0x80 for byte in range(256)
)


def features(text: str) -> Array:
    """The vector of a text."""
    raw = text.encode("utf-8", "replace")
    if len(raw) > MAX_BYTES:
        raw = raw[: MAX_BYTES // 2] + raw[-MAX_BYTES // 2 :]
    hashes = _hashes(raw)
    found = np.empty(WIDTH, np.float32)
    found[:BUCKETS] = _bagged(hashes)
    found[BUCKETS] = LENGTH_SCALE * (math.log1p(len(raw)) - 5.0)
    found[BUCKETS + 1] = 1.0
    return found


def _hashes(text: bytes) -> _Hashes:
    """The hashes of all words, then those of all pairs of neighbours."""
    inside = np.zeros(len(text) + 2, np.int8)
    inside[1:-1] = np.frombuffer(text.translate(_IN_WORD), np.int8)
    edges = np.diff(inside)
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    sums = np.zeros(len(text) + 1, np.uint64)
    codes = np.frombuffer(text.translate(_LOWER), np.uint8).astype(np.uint64)
    codes += np.uint64(1)
    codes *= _POWERS[: len(text)]
    np.cumsum(codes, out=sums[1:])
    words = _mixed((sums[ends] - sums[starts]) * _INVERSES[starts])
    pairs = _mixed(words[:-1] * np.uint64(31) + words[1:] * _PAIR)
    return np.concatenate((words, pairs))


def _mixed(hashes: _Hashes) -> _Hashes:
    hashes = (hashes ^ (hashes >> np.uint64(29))) * _MIX
    return hashes ^ (hashes >> np.uint64(32))


def _bagged(hashes: _Hashes) -> npt.NDArray[np.float64]:
    """Signed counts by bucket, dampened, scaled to the length 1."""
    buckets = (hashes & np.uint64(BUCKETS - 1)).astype(np.intp)
    signs = 1.0 - 2.0 * (hashes >> np.uint64(63)).astype(np.float64)
    counts = np.bincount(buckets, weights=signs, minlength=BUCKETS).astype(np.float64)
    bag = np.copysign(np.log1p(np.abs(counts)), counts)
    length = math.sqrt(float(bag @ bag))
    return bag / (length or 1.0)
