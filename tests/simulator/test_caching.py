"""Prompt-cache accounting against the provider facts (A5, B6, B12)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.caching import (
    TTL_LONG_S,
    TTL_SHORT_S,
    Block,
    CacheUse,
    PromptCache,
    plan_breakpoints,
    plan_steps,
)

NOW = 50.0


def block(name: str, tokens: int = 1000, ttl_s: float = 0.0) -> Block:
    return Block(name.encode(), tokens, ttl_s)


class Conversation:
    """Calls against one cache."""

    def __init__(self, scale: float = 1.0, min_tokens: int = 1024) -> None:
        self.cache = PromptCache(scale)
        self.min_tokens = min_tokens

    def plan(self, *blocks: Block, now: float = NOW, seed: bytes = b"m") -> CacheUse:
        return plan_breakpoints(self.cache, blocks, seed=seed, min_tokens=self.min_tokens, now=now)

    def call(self, *blocks: Block, now: float = NOW, seed: bytes = b"m") -> CacheUse:
        use = self.plan(*blocks, now=now, seed=seed)
        self.cache.store(use.writes, now)
        return use


def parts(use: CacheUse) -> tuple[int, int, int, int]:
    return use.uncached, use.read, use.write_short, use.write_long


def test_without_a_breakpoint_nothing_is_cached() -> None:
    assert parts(Conversation().call(block("a", 5000))) == (5000, 0, 0, 0)


def test_the_first_call_writes_up_to_the_breakpoint_and_the_second_reads_it() -> None:
    talk = Conversation()
    prompt = (block("system", 2000, TTL_SHORT_S), block("question", 30))
    assert parts(talk.call(*prompt)) == (30, 0, 2000, 0)
    assert parts(talk.call(*prompt)) == (30, 2000, 0, 0)


def test_a_prefix_below_the_minimum_is_silently_uncached() -> None:
    talk = Conversation(min_tokens=4096)
    assert parts(talk.call(block("s", 4095, TTL_SHORT_S))) == (4095, 0, 0, 0)
    assert parts(talk.call(block("s", 4096, TTL_SHORT_S))) == (0, 0, 4096, 0)


def test_a_growing_conversation_reads_the_old_prefix_and_writes_the_new_part() -> None:
    talk = Conversation()
    first = (block("s", 1500), block("q1", 100, TTL_SHORT_S))
    longer = (block("s", 1500), block("q1", 100), block("a1", 50), block("q2", 70, TTL_SHORT_S))
    assert parts(talk.call(*first)) == (0, 0, 1600, 0)
    assert parts(talk.call(*longer)) == (0, 1600, 120, 0)


def test_a_change_before_the_breakpoint_misses() -> None:
    talk = Conversation()
    talk.call(block("a", 2000, TTL_SHORT_S))
    assert parts(talk.call(block("b", 2000, TTL_SHORT_S))) == (0, 0, 2000, 0)


def test_models_do_not_share_entries() -> None:
    talk = Conversation()
    talk.call(block("a", 2000, TTL_SHORT_S), seed=b"one")
    assert talk.plan(block("a", 2000, TTL_SHORT_S), seed=b"two").read == 0


def test_lookback_ends_after_twenty_blocks() -> None:
    talk = Conversation()
    start = block("s", 2000, TTL_SHORT_S)
    talk.call(start)
    old = block("s", 2000)
    near = [block(f"n{i}", 1) for i in range(18)]
    assert talk.plan(old, *near, block("end", 1, TTL_SHORT_S)).read == 2000
    far = [block(f"n{i}", 1) for i in range(19)]
    assert talk.plan(old, *far, block("end", 1, TTL_SHORT_S)).read == 0


@pytest.mark.parametrize(("ttl_s", "scale"), [(TTL_SHORT_S, 1.0), (TTL_LONG_S, 1.0), (300.0, 0.1)])
def test_an_entry_lives_for_its_ttl_and_a_read_renews_it(ttl_s: float, scale: float) -> None:
    talk = Conversation(scale)
    prompt = block("s", 2000, ttl_s)
    life = ttl_s * scale
    talk.call(prompt)
    assert talk.call(prompt, now=NOW + life * 0.9).read == 2000
    assert talk.call(prompt, now=NOW + life * 1.8).read == 2000
    assert talk.call(prompt, now=NOW + life * 2.9).read == 0


def test_long_and_short_lifetimes_are_written_apart() -> None:
    talk = Conversation()
    prompt = (block("tools", 3000, TTL_LONG_S), block("talk", 500, TTL_SHORT_S), block("q", 9))
    assert parts(talk.call(*prompt)) == (9, 0, 500, 3000)
    assert parts(talk.call(*prompt, now=NOW + 301)) == (9, 3000, 500, 0)


def test_an_entry_exists_only_once_the_answer_began() -> None:
    talk = Conversation()
    use = talk.plan(block("s", 2000, TTL_SHORT_S))
    assert talk.plan(block("s", 2000, TTL_SHORT_S)).read == 0
    talk.cache.store(use.writes, NOW)
    assert talk.plan(block("s", 2000, TTL_SHORT_S)).read == 2000


def steps(cache: PromptCache, tokens: int, seed: bytes = b"m", text: bytes = b"") -> CacheUse:
    prompt = text or bytes(i * 7 % 251 for i in range(tokens * 4))
    return plan_steps(cache, prompt, tokens, seed=seed, min_tokens=1024, now=NOW)


def test_automatic_caching_starts_at_the_minimum_and_reads_in_steps() -> None:
    cache = PromptCache()
    assert steps(cache, 1023) == CacheUse(uncached=1023)
    first = steps(cache, 2000)
    assert parts(first) == (80, 0, 1920, 0)
    cache.store(first.writes, NOW)
    assert parts(steps(cache, 2000)) == (80, 1920, 0, 0)


def test_automatic_caching_finds_the_longest_common_prefix() -> None:
    cache = PromptCache()
    text = bytes(i * 7 % 251 for i in range(8000))
    cache.store(steps(cache, 2000, text=text).writes, NOW)
    changed = text[: 1500 * 4] + b"\0" * 2000
    assert steps(cache, 2000, text=changed).read == 1408


def test_cache_keys_separate_automatic_caches() -> None:
    cache = PromptCache()
    cache.store(steps(cache, 2000, b"one").writes, NOW)
    assert steps(cache, 2000, b"two").read == 0


@given(
    sizes=st.lists(st.tuples(st.integers(0, 3000), st.sampled_from([0.0, 300.0])), max_size=12),
    before=st.integers(0, 12),
)
def test_the_parts_always_sum_to_the_prompt(sizes: list[tuple[int, float]], before: int) -> None:
    talk = Conversation()
    blocks = [block(str(i), n, ttl) for i, (n, ttl) in enumerate(sizes)]
    talk.call(*blocks[:before])
    use = talk.call(*blocks)
    assert use.prompt == sum(n for n, _ in sizes)
    assert min(parts(use)) >= 0
