"""What an agent that runs away looks like, and what does not."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.runaway import (
    KNOWN_WINDOWS,
    MAX_CALLS,
    SIDE_CALLS,
    RunawayMode,
    RunawaySettings,
    RunawayWatch,
    Seen,
    Sighting,
)

SETTINGS = RunawaySettings(
    window_s=60.0, repeated=5, errors=4, grown=6, grown_tokens=1000, spend_least_microusd=1000
)
CALL = Seen("a", "", False, 200, False, 0, "", 0)


def found(*calls: tuple[float, Seen], settings: RunawaySettings = SETTINGS) -> list[str]:
    watch = RunawayWatch(settings)
    evidence = [watch.see(call, at_s) for at_s, call in calls]
    return [one.cause for one in evidence if one is not None]


def every(step_s: float, *calls: Seen) -> list[tuple[float, Seen]]:
    return [(number * step_s, call) for number, call in enumerate(calls)]


SAME = replace(CALL, fingerprint="f")
WRONG = replace(CALL, status=400, caller_fault=True)


@pytest.mark.parametrize(
    ("calls", "causes"),
    [
        (every(1.0, *[SAME] * 4), []),
        (every(1.0, *[SAME] * 5), ["repeated"]),
        (every(20.0, *[SAME] * 20), []),
        (every(1.0, *[replace(SAME, retried=True)] * 50), []),
        (every(1.0, *[replace(SAME, fingerprint=str(n)) for n in range(50)]), []),
        (every(0.1, *[SAME, replace(SAME, agent="b")] * 4), []),
        (every(1.0, *[WRONG] * 3), []),
        (every(1.0, *[WRONG] * 4), ["errors"]),
        (every(1.0, *[WRONG, WRONG, WRONG, CALL] * 5), []),
        (every(30.0, *[WRONG] * 20), []),
        (every(1.0, *[replace(CALL, status=503)] * 20), []),
        (every(1.0, *[WRONG, replace(CALL, status=429), WRONG] * 2), ["errors"]),
    ],
)
def test_loops(calls: list[tuple[float, Seen]], causes: list[str]) -> None:
    assert found(*calls) == causes


def test_the_evidence_says_what_was_seen() -> None:
    watch = RunawayWatch(SETTINGS)
    last = [watch.see(SAME, float(n)) for n in range(5)][-1]
    assert last is not None
    assert last.text == "the same call was made 5 times in 4 s"


def spending(*windows: int) -> list[tuple[float, Seen]]:
    return [
        (number * 61.0, replace(CALL, cost_microusd=amount))
        for number, amount in enumerate(windows)
    ]


@pytest.mark.parametrize(
    ("windows", "causes"),
    [
        ([1000] * KNOWN_WINDOWS + [0, 9_000], []),
        ([1000] * KNOWN_WINDOWS + [0, 11_000], ["spend"]),
        ([10] * KNOWN_WINDOWS + [0, 900], []),
        ([1000] * (KNOWN_WINDOWS - 2) + [50_000], []),
        ([5_000_000] * 20, []),
    ],
)
def test_an_agent_has_a_norm_of_its_own(windows: list[int], causes: list[str]) -> None:
    assert found(*spending(*windows)) == causes


def growing(*tokens: int, context: str = "s/") -> list[tuple[float, Seen]]:
    return every(1.0, *[replace(CALL, context=context, prompt_tokens=one) for one in tokens])


def test_a_conversation_that_only_grows() -> None:
    assert found(*growing(*range(900, 1500, 100))) == ["context"]
    assert found(*growing(*range(100, 700, 100))) == [], "not long enough"
    assert found(*growing(*range(900, 1500, 100), context="")) == [], "no conversation"


def test_side_calls_do_not_hide_growth_and_compaction_ends_it() -> None:
    sizes = [size for n in range(6) for size in (900 + n * 100, 50)]
    assert found(*growing(*sizes)) == ["context"]
    cut = [*range(900, 1400, 100), *[200] * SIDE_CALLS, *range(900, 1400, 100)]
    assert found(*growing(*cut)) == []


@pytest.mark.parametrize("call", [SAME, WRONG])
def test_replicas_that_tell_each_other_find_a_loop_together(call: Seen) -> None:
    told: list[list[Sighting]] = [[], []]
    watches = [RunawayWatch(SETTINGS, seen.append) for seen in told]
    calls = 0
    evidence = None
    while evidence is None:
        here = calls % 2
        evidence = watches[here].see(call, float(calls))
        for one in told[here]:
            watches[1 - here].hear(one)
        told[here].clear()
        calls += 1
    most = SETTINGS.repeated if call is SAME else SETTINGS.errors
    assert most <= calls <= most + 2, "each keeps its first to itself"


def test_a_call_that_works_elsewhere_ends_a_row_of_errors_here() -> None:
    told: list[Sighting] = []
    here, there = RunawayWatch(SETTINGS), RunawayWatch(SETTINGS, told.append)
    for watch in (here, there):
        for _ in range(SETTINGS.errors - 1):
            watch.see(WRONG, 1.0)
    told.clear()
    there.see(CALL, 1.0)
    for one in told:
        here.hear(one)
    assert here.see(WRONG, 1.0) is None
    assert told == [Sighting("a", "", 1.0, worked=True)]


def test_what_is_made_once_is_told_to_nobody() -> None:
    told: list[Sighting] = []
    watch = RunawayWatch(SETTINGS, told.append)
    for number in range(50):
        watch.see(replace(CALL, fingerprint=str(number)), float(number))
    watch.see(WRONG, 60.0)
    assert told == []


def test_it_begins_anew_when_it_is_resumed_but_keeps_its_norm() -> None:
    watch = RunawayWatch(SETTINGS)
    for at_s, call in spending(*[1000] * KNOWN_WINDOWS, 0, 11_000):
        last = watch.see(call, at_s)
    assert last is not None
    watch.forget("a")
    assert watch.see(replace(CALL, cost_microusd=900), at_s + 1) is None
    assert watch.see(replace(CALL, cost_microusd=11_000), at_s + 2) is not None
    watch.forget("nobody")


@pytest.mark.parametrize(
    "settings",
    [
        replace(SETTINGS, mode=RunawayMode.OFF),
        replace(SETTINGS, repeated=0, errors=0, spend_times=0.0, grown=0),
    ],
)
def test_signs_can_be_switched_off(settings: RunawaySettings) -> None:
    calls = [
        *every(0.1, *[SAME] * 50, *[WRONG] * 50),
        *growing(*range(900, 2000)),
        *spending(*[1000] * 9, 10**9),
    ]
    assert found(*calls, settings=settings) == []


@given(names=st.lists(st.integers(0, 10**6), max_size=600))
def test_what_is_remembered_of_an_agent_is_bounded(names: list[int]) -> None:
    watch = RunawayWatch(SETTINGS)
    for at, name in enumerate(names):
        call = replace(CALL, fingerprint=str(name), context=str(name), prompt_tokens=name)
        watch.see(call, float(at))
    agent = watch._agents.get("a")
    if agent is not None:
        assert len(agent.calls) <= MAX_CALLS
        assert len(agent.contexts) <= 64
