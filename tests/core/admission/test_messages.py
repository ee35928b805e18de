"""From nouns to operations, and from events to verdicts."""

import pytest

from gateway.core.admission import messages
from gateway.domain.admission import (
    Admitted,
    Bound,
    Charge,
    Expectation,
    Settlement,
    TicketRequest,
)
from gateway.domain.call import Priority
from gateway.domain.limits import Budget, BudgetMode, Dimension, Headroom, LaneLimits, ScopeKind
from gateway.domain.outcome import Reason
from gateway.domain.topology import Agent, Lane, QueueSettings, Team, Topology

_CHARGE = Charge(1, 2, 3, 4, 5, 6, 7)
_REQUEST = TicketRequest(
    "t", "lane", "ann", None, Priority.BACKGROUND, 2.5, _CHARGE, 1.5, "print", is_retry=True
)


def test_a_request_becomes_an_arrival_or_a_requeue() -> None:
    fields = ["t", "lane", "ann", "", 3, 2.5, [1, 2, 3, 4, 5, 6, 7], 1_500_000, "print", 1]
    assert messages.arrive(_REQUEST) == ["arrive", *fields]
    assert messages.requeue(_REQUEST) == ["requeue", *fields]


def test_other_operations() -> None:
    seen = [
        Headroom(Dimension.ITPM, 1000, None, 10),
        Headroom(Dimension.USD_PER_DAY, 5, 5),
        Headroom(Dimension.RPM, None, 0),
    ]
    assert messages.head("t", "lane", seen) == [
        "head",
        "t",
        "lane",
        [[2, 1000, -1, 10], [1, -1, 0, 1]],
    ]
    assert messages.cancel("t") == ["cancel", "t", 0]
    assert messages.cancel("t", timed_out=True) == ["cancel", "t", 1]
    assert messages.extend("t", "lane", 9) == ["extend", "t", "lane", 9]
    settled = messages.settle(Settlement("t", "lane", _CHARGE))
    assert settled == ["settle", "t", "lane", [1, 2, 3, 4, 5, 6, 7]]


@pytest.mark.parametrize(
    ("dimensions", "numbers"),
    [
        ((), [5]),
        (("otpm", "itpm"), [2, 3]),
        (("concurrency",), [5]),
        (("rpm", "usd_per_day"), [1, 5]),
        (("something new",), [5]),
    ],
)
def test_a_block_names_dimensions_or_means_the_whole_lane(
    dimensions: tuple[str, ...], numbers: list[int]
) -> None:
    assert messages.block("lane", dimensions, 0.25) == ["block", "lane", numbers, 250_000]


def test_a_topology_becomes_configuration() -> None:
    lane = Lane("lane", "p", ("*",), LaneLimits(rpm=5, concurrency=2), margin=0.02)
    topology = Topology(
        {},
        {"lane": lane},
        {"red": Team("red", Budget(usd_per_day_micro=9))},
        {"ann": Agent("ann", "red", budget=Budget(rpm=1, tpm=2, mode=BudgetMode.SOFT))},
        QueueSettings(10, 20, 30),
        6.0,
    )
    assert list(messages.configure_all(topology)) == [
        [
            "configure",
            "lane:lane",
            {
                "limits": [5, -1, -1, -1],
                "concurrency": 2,
                "margin": 0.02,
                "floors": [0.0, 0.05, 0.2],
                "minute_us": 6_000_000,
                "max_depth": 20,
                "ageing_us": 30_000_000,
                "ramp": [900_000_000, 0.5, 60_000_000],
            },
        ],
        [
            "configure",
            "team:red",
            {"limits": [-1, -1, -1, 9, -1], "soft": 0, "minute_us": 6_000_000},
        ],
        [
            "configure",
            "agent:ann",
            {"limits": [1, 2, -1, -1, -1], "soft": 1, "minute_us": 6_000_000},
        ],
    ]


def test_a_grant_tells_what_it_waited_for_if_it_waited() -> None:
    assert messages.admitted(["g", "t", 0, "", "", ""]) == Admitted("t", 0.0)
    assert messages.admitted(["g", "t", 1_500_000, "team", "red", "tpm"]) == Admitted(
        "t", 1.5, Bound(ScopeKind.TEAM, "red", Dimension.TPM, 0.0)
    )


def test_a_wait_tells_position_prediction_and_time_left() -> None:
    event: messages.Event = ["w", "t", 3, 2_000_000, "lane", "lane", "rpm", 5_000_000, "bob"]
    bound = Bound(ScopeKind.LANE, "lane", Dimension.RPM, 2.0)
    assert messages.expected(event) == (Expectation(3, 2.0, bound, "bob"), 5.0)
    assert messages.expected([*event[:-1], ""]) == (Expectation(1, 2.0, bound), 5.0)


@pytest.mark.parametrize(
    ("reason", "limit", "words"),
    [
        ("larger_than_limit", ("lane", "x", "itpm"), ["needs 9", "itpm limit of lane 'x' is 4"]),
        ("spend", ("agent", "ann", "usd_per_day"), ["usd_per_day limit of agent 'ann'", "$0.0000"]),
        ("queue_full", ("lane", "x", "rpm"), ["9 calls are waiting", "holds 4", "1.5 s"]),
        ("lane_blocked", ("lane", "x", "rpm"), ["provider has asked to wait", "1.5 s"]),
        ("agent_budget", ("agent", "ann", "tpm"), ["tpm limit of agent 'ann'", "1.5 s"]),
        ("team_budget", ("team", "red", "rpm"), ["rpm limit of team 'red'"]),
        ("queue_timeout", ("lane", "x", "otpm"), ["otpm limit of lane 'x' binds"]),
    ],
)
def test_a_refusal_says_which_limit_and_when(
    reason: str, limit: tuple[str, str, str], words: list[str]
) -> None:
    refusal = messages.refused(["r", "t", reason, *limit, 9, 4, 1_500_000])
    assert refusal.reason is Reason(reason)
    assert refusal.retry_after_s == 1.5
    for word in words:
        assert word in refusal.message


def test_a_refusal_without_a_time_promises_none() -> None:
    refusal = messages.refused(["r", "t", "larger_than_limit", "lane", "x", "rpm", 9, 4, -1])
    assert refusal.retry_after_s is None


@pytest.mark.parametrize("seconds", [1e12, 1e300, float("inf")])
def test_a_time_without_end_is_one_that_the_store_can_count(seconds: float) -> None:
    """Callers say how long they wait and providers how long to leave them alone: anything."""
    counted = messages.micros(seconds)
    assert counted == messages.micros(messages.LONGEST_S)
    assert counted + 2_000_000_000 * messages.MICRO < 2**53
