"""Who leads a prefix, and who waits for it, on a clock that is an argument."""

from itertools import count

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.core.convoy import USELESS_S, Lead, Leads
from gateway.domain.caches import End
from gateway.domain.call import Priority, PromptPrefix

PLACE = ("claude", "claude-sonnet-4-6")
HEAD = PromptPrefix(b"head", 1000)
CUTS = (HEAD, PromptPrefix(b"mine", 1500))
OTHERS = (HEAD, PromptPrefix(b"other", 1500))
LEAST = 800
NORMAL = Priority.NORMAL


def leading(
    leads: Leads,
    name: str = "a",
    cuts: tuple[PromptPrefix, ...] = CUTS,
    *,
    priority: Priority = NORMAL,
    until: float = 300.0,
    cold_from: int = LEAST,
    now: float = 0.0,
) -> Lead | None:
    return leads.lead(Lead(name, PLACE, (), priority, until), cuts, cold_from, now)


def ahead_of(
    leads: Leads,
    cuts: tuple[PromptPrefix, ...] = OTHERS,
    *,
    place: tuple[str, str] = PLACE,
    cold_from: int = LEAST,
    priority: Priority = NORMAL,
    now: float = 1.0,
) -> str | None:
    found = leads.ahead(place, cuts, cold_from, priority, now)
    return None if found is None else found.name


def test_the_first_leads_and_whoever_begins_alike_waits_for_it() -> None:
    leads = Leads()
    assert ahead_of(leads) is None
    found = leading(leads)
    assert found is not None
    assert found.digests == (b"head", b"mine")
    assert ahead_of(leads) == "a"
    leads.end("a", End.WARM, 2.0)
    assert ahead_of(leads) is None


def test_the_longest_cut_counts() -> None:
    leads = Leads()
    leading(leads, "short", (HEAD,))
    assert leading(leads, "long", CUTS) == Lead("long", PLACE, (b"mine",), NORMAL, 300.0)
    assert ahead_of(leads, CUTS) == "long"
    assert ahead_of(leads, OTHERS) == "short"


def test_nobody_waits_for_what_is_warm_too_short_elsewhere_or_of_a_lower_band() -> None:
    leads = Leads()
    leading(leads, priority=Priority.BACKGROUND)
    assert ahead_of(leads) is None
    assert ahead_of(leads, priority=Priority.BACKGROUND) == "a"
    leads = Leads()
    leading(leads)
    assert ahead_of(leads, priority=Priority.BACKGROUND) == "a"
    assert ahead_of(leads, cold_from=1001) is None
    assert ahead_of(leads, place=("other account", PLACE[1])) is None
    assert leading(leads, "b", cold_from=2000) is None


def test_what_an_answer_did_not_cache_is_not_waited_for_again_for_a_while() -> None:
    leads = Leads()
    leading(leads)
    leads.end("a", End.COLD, 10.0)
    assert leading(leads, "b", (HEAD,), now=10.0 + USELESS_S - 1) is None
    assert leading(leads, "b", (HEAD,), now=10.0 + USELESS_S) is not None


def test_the_next_one_leads_when_a_call_fails() -> None:
    leads = Leads()
    leading(leads)
    leads.end("a", End.FAILED, 1.0)
    assert ahead_of(leads) is None
    assert leading(leads, "b", OTHERS, now=1.0) is not None
    assert ahead_of(leads, CUTS) == "b"
    assert leads.end("a", End.WARM, 2.0) is None
    assert ahead_of(leads, CUTS) == "b"


def test_a_call_of_another_replica_is_not_believed_for_ever() -> None:
    leads = Leads()
    leads.hear(Lead("far", PLACE, (b"head",), NORMAL, 5.0), 0.0)
    assert ahead_of(leads, now=4.9) == "far"
    assert ahead_of(leads, now=5.0) is None
    leads.hear(Lead("far", PLACE, (b"head",), NORMAL, 9.0), 6.0)
    leads.hear(Lead("farther", PLACE, (b"head",), NORMAL, 20.0), 10.0)
    assert len(leads) == 1


CALLS = count()


class Convoys(RuleBasedStateMachine):
    """Calls that come, wait, begin, fail: somebody always goes, and nothing is left behind."""

    def __init__(self) -> None:
        super().__init__()
        self.leads = Leads()
        self.now = 0.0
        self.running: dict[str, Lead] = {}
        self.waiting: list[tuple[str, tuple[PromptPrefix, ...]]] = []

    @rule(cuts=st.sampled_from([CUTS, OTHERS, (HEAD,)]))
    def come(self, cuts: tuple[PromptPrefix, ...]) -> None:
        self.join(f"c{next(CALLS)}", cuts)

    def join(self, name: str, cuts: tuple[PromptPrefix, ...]) -> None:
        ahead = self.leads.ahead(PLACE, cuts, LEAST, NORMAL, self.now)
        if ahead is not None:
            assert ahead.name in self.running
            self.waiting.append((name, cuts))
            return
        lead = leading(self.leads, name, cuts, now=self.now, until=self.now + 1000)
        if lead is not None:
            self.running[name] = lead

    @precondition(lambda self: self.running)
    @rule(how=st.sampled_from(End), which=st.integers(0, 9))
    def end(self, how: End, which: int) -> None:
        name = sorted(self.running)[which % len(self.running)]
        assert self.leads.end(name, how, self.now) == self.running.pop(name)
        woken, self.waiting = self.waiting, []
        for each in woken:
            self.join(*each)

    @rule(passed_s=st.floats(0, 50))
    def wait(self, passed_s: float) -> None:
        self.now += passed_s

    @invariant()
    def whoever_waits_waits_for_one_that_runs(self) -> None:
        assert not self.waiting or self.running
        assert len(self.leads) == len(self.running)


TestConvoys = Convoys.TestCase


@given(st.permutations(["a", "b", "c"]))
def test_each_end_frees_its_own_cuts_only(order: list[str]) -> None:
    leads = Leads()
    cuts = {name: (PromptPrefix(name.encode(), 1000),) for name in order}
    for name, mine in cuts.items():
        leading(leads, name, mine)
    for number, name in enumerate(order):
        leads.end(name, End.WARM, 1.0)
        left = [each for each in order if ahead_of(leads, cuts[each]) is not None]
        assert left == order[number + 1 :]
