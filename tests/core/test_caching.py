"""What is marked: what was sent before, and what is long enough to be cached at all."""

from gateway.core.caching import LIFETIME_S, Beginnings, Marks, cache_key
from gateway.domain.call import PromptPrefix
from gateway.domain.facts import Session

HEAD = PromptPrefix(b"head", 5000)
LEAST = 4000
NEITHER = Marks()


def cut(name: str, size: int) -> PromptPrefix:
    return PromptPrefix(name.encode(), size)


def sent(seen: Beginnings, *after_head: PromptPrefix, agent: str = "a", now: float = 0.0) -> Marks:
    return seen.marks(agent, "m", HEAD, (HEAD, *after_head), LEAST, now)


def test_a_head_is_marked_from_the_second_time_on() -> None:
    seen = Beginnings()
    assert sent(seen, cut("one", 5100)) == NEITHER
    assert sent(seen, cut("two", 5200)) == Marks(head=True)
    assert sent(seen, cut("three", 5200), agent="b") == NEITHER


def test_a_conversation_that_goes_on_is_marked_at_its_end_too() -> None:
    seen = Beginnings()
    sent(seen, cut("ask", 5100))
    turn = (cut("ask", 5100), cut("answer", 5200), cut("more", 5300))
    marks = sent(seen, *turn)
    assert marks == Marks(head=True, stem=2, tail=True)
    assert marks.cuts(HEAD, (HEAD, *turn)) == (HEAD, turn[0], turn[2])


def test_branches_of_a_conversation_are_marked_where_they_part() -> None:
    seen = Beginnings()
    stem = (cut("ask", 5100), cut("answer", 5200))
    assert sent(seen, *stem, cut("one", 5300)) == NEITHER
    marks = sent(seen, *stem, cut("other", 5300))
    assert marks == Marks(head=True, stem=1)
    assert marks.cuts(HEAD, (HEAD, *stem, cut("other", 5300))) == (HEAD, stem[1])


def test_the_same_call_again_is_no_conversation() -> None:
    seen = Beginnings()
    sent(seen, cut("ask", 5100))
    assert sent(seen, cut("ask", 5100)) == Marks(head=True)


def test_what_is_too_short_to_be_cached_is_not_marked() -> None:
    seen = Beginnings()
    short, ask, more = cut("short", 3999), cut("ask", 4100), cut("more", 4200)
    for _ in range(2):
        assert seen.marks("a", "m", short, (short, ask), LEAST, 0.0) == NEITHER
    assert seen.marks("a", "m", short, (short, ask, more), LEAST, 0.0) == Marks(stem=1, tail=True)


def test_without_tools_and_system_prompt_only_conversations_are_marked() -> None:
    seen = Beginnings()
    ask, more = cut("ask", 4100), cut("more", 4200)
    for _ in range(2):
        assert seen.marks("a", "m", None, (ask,), LEAST, 0.0) == NEITHER
    assert seen.marks("a", "m", None, (ask, more), LEAST, 0.0) == Marks(stem=1, tail=True)


def test_what_was_seen_is_forgotten_when_a_cache_would_have_lost_it() -> None:
    seen = Beginnings()
    sent(seen, cut("one", 5100))
    assert sent(seen, cut("two", 5100), now=LIFETIME_S) == NEITHER
    assert sent(seen, cut("three", 5100), now=2 * LIFETIME_S - 1) == Marks(head=True)


def test_who_asks_again_learns_whether_it_has_company() -> None:
    seen = Beginnings()
    sent(seen, cut("one", 5100))
    assert not seen.again("a", "m", HEAD, 1.0)
    sent(seen, cut("two", 5100))
    assert seen.again("a", "m", HEAD, 1.0)
    assert not seen.again("a", "m", HEAD, LIFETIME_S)
    sent(seen, cut("three", 5100), now=LIFETIME_S)
    assert not seen.again("a", "m", HEAD, LIFETIME_S)


def test_what_another_replica_saw_counts() -> None:
    seen = Beginnings()
    sent(seen, cut("one", 5100))
    seen.heard("a", "m", HEAD.digest, 1.0)
    assert seen.again("a", "m", HEAD, 1.0)
    elsewhere = Beginnings()
    elsewhere.heard("a", "m", HEAD.digest, 0.0)
    assert sent(elsewhere, cut("one", 5100)) == Marks(head=True)


def test_memory_is_bounded() -> None:
    assert NEITHER.cuts(HEAD, (HEAD, cut("one", 5100))) == ()
    seen = Beginnings(most=10)
    for number in range(100):
        sent(seen, cut(str(number), 5100))
    assert len(seen) == 10


def test_a_key_tells_conversations_apart_and_nothing_else() -> None:
    keys = {
        cache_key(agent, Session(name, thread))
        for agent, name, thread in (("a", "s", ""), ("b", "s", ""), ("a", "t", ""), ("a", "s", "u"))
    }
    assert len(keys) == 4
    assert cache_key("a", Session("s")) in keys
    assert all(len(key) == 32 for key in keys)
