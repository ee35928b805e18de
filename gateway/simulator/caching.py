"""Prompt caches of the simulated providers: pure, on an explicit `now`.

Two designs: Anthropic caches up to marked breakpoints (provider-facts A5), OpenAI and Gemini
cache every prefix of enough tokens by themselves in steps of 128 tokens (provider-facts B6, B12).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

LOOKBACK_BLOCKS = 20
MAX_BREAKPOINTS = 4
STEP_TOKENS = 128
TTL_SHORT_S = 300.0
TTL_LONG_S = 3600.0
_MAX_ENTRIES = 200_000


@dataclass(frozen=True, slots=True)
class Block:
    """One cacheable piece of an Anthropic prompt, in the order tools, system, messages.

    Attributes:
        content: What identifies it.
        tokens: Its size.
        ttl_s: Lifetime in provider seconds of a breakpoint behind it; 0 is no breakpoint.
    """

    content: bytes
    tokens: int
    ttl_s: float = 0.0


@dataclass(frozen=True, slots=True)
class CacheUse:
    """How a prompt splits; the four parts sum to the prompt.

    Attributes:
        uncached: Read at full price.
        read: Found in the cache.
        write_short: Written for five minutes (or whatever the provider's only lifetime is).
        write_long: Written for one hour.
        writes: Keys to store once the answer begins, with lifetimes in provider seconds.
    """

    uncached: int
    read: int = 0
    write_short: int = 0
    write_long: int = 0
    writes: tuple[tuple[bytes, float], ...] = ()

    @property
    def prompt(self) -> int:
        """The whole prompt."""
        return self.uncached + self.read + self.write_short + self.write_long

    @property
    def written(self) -> int:
        """Everything written."""
        return self.write_short + self.write_long


class PromptCache:
    """Entries of one account: a key and when it goes."""

    def __init__(self, scale: float = 1.0) -> None:
        """Lifetimes are provider seconds times `scale`."""
        self.scale = scale
        self._expires: dict[bytes, float] = {}

    def holds(self, key: bytes, now: float) -> bool:
        """Whether an entry lives."""
        return self._expires.get(key, float("-inf")) > now

    def store(self, writes: Sequence[tuple[bytes, float]], now: float) -> None:
        """Create or refresh entries: an entry exists once the first answer begins (A5)."""
        for key, ttl_s in writes:
            expires = now + ttl_s * self.scale
            self._expires[key] = max(expires, self._expires.pop(key, 0.0))
        if len(self._expires) > _MAX_ENTRIES:
            self._shrink(now)

    def clear(self) -> None:
        """Forget everything."""
        self._expires.clear()

    def _shrink(self, now: float) -> None:
        alive = {k: t for k, t in self._expires.items() if t > now}
        for key in list(alive)[: max(0, len(alive) - _MAX_ENTRIES // 2)]:
            del alive[key]
        self._expires = alive


def plan_breakpoints(
    cache: PromptCache,
    blocks: Sequence[Block],
    *,
    seed: bytes,
    min_tokens: int,
    now: float,
) -> CacheUse:
    """Anthropic: split a prompt by its breakpoints.

    Args:
        cache: Entries so far.
        blocks: The whole prompt.
        seed: What isolates caches from each other (model, speed).
        min_tokens: Shortest prefix that is cached; breakpoints before it are ignored.
        now: Clock in seconds.
    """
    total = sum(b.tokens for b in blocks)
    marks = [i for i, b in enumerate(blocks) if b.ttl_s]
    if not marks:
        return CacheUse(uncached=total)
    keys, sums = _prefixes(blocks[: marks[-1] + 1], seed)
    marks = [i for i in marks if sums[i] >= min_tokens]
    if not marks:
        return CacheUse(uncached=total)
    hit = _deepest_hit(cache, keys, marks, now)
    read = sums[hit] if hit >= 0 else 0
    long_marks = [i for i in marks if blocks[i].ttl_s > TTL_SHORT_S]
    long_end = max(read, sums[long_marks[-1]]) if long_marks else read
    end = max(read, sums[marks[-1]])
    writes = tuple((keys[i], blocks[i].ttl_s) for i in marks)
    if hit >= 0 and hit not in marks:
        writes += ((keys[hit], TTL_SHORT_S),)  # a read refreshes the entry
    return CacheUse(
        uncached=total - end,
        read=read,
        write_short=end - max(read, long_end),
        write_long=long_end - read,
        writes=writes,
    )


def _prefixes(blocks: Sequence[Block], seed: bytes) -> tuple[list[bytes], list[int]]:
    state = blake2b(seed, digest_size=16)
    keys: list[bytes] = []
    sums: list[int] = []
    total = 0
    for block in blocks:
        state.update(len(block.content).to_bytes(8, "big"))
        state.update(block.content)
        total += block.tokens
        keys.append(state.digest())
        sums.append(total)
    return keys, sums


def _deepest_hit(
    cache: PromptCache, keys: Sequence[bytes], marks: Sequence[int], now: float
) -> int:
    for mark in reversed(marks):
        for i in range(mark, max(-1, mark - LOOKBACK_BLOCKS), -1):
            if cache.holds(keys[i], now):
                return i
    return -1


def plan_steps(
    cache: PromptCache,
    prompt: bytes,
    tokens: int,
    *,
    seed: bytes,
    min_tokens: int,
    now: float,
) -> CacheUse:
    """OpenAI and Gemini: the longest known prefix in steps of 128 tokens is read from the cache.

    What was not known is written; the caller decides whether the model reports that. The bytes of
    a step follow from the share of `tokens` in `prompt`.
    """
    steps = tokens // STEP_TOKENS
    first = -(-min_tokens // STEP_TOKENS)
    if steps < first:
        return CacheUse(uncached=tokens)
    step_bytes = max(1, len(prompt) * STEP_TOKENS // max(1, tokens))
    state = blake2b(seed, digest_size=16)
    state.update(prompt[: first * step_bytes])
    keys = [state.digest()]
    for n in range(first, steps):
        state.update(prompt[n * step_bytes : (n + 1) * step_bytes])
        keys.append(state.digest())
    known = -1
    for i, key in enumerate(keys):
        if not cache.holds(key, now):
            break
        known = i
    read = 0 if known < 0 else (first + known) * STEP_TOKENS
    written = steps * STEP_TOKENS - read
    return CacheUse(
        uncached=tokens - read - written,
        read=read,
        write_short=written,
        writes=tuple((key, TTL_SHORT_S) for key in keys),
    )
