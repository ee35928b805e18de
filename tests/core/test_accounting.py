"""What a call adds to the accounts, and how rows are added up."""

from dataclasses import replace

from gateway.core.accounting import Keys, Sums, entries, folded
from gateway.domain.facts import CallRecord
from gateway.domain.outcome import Reason
from gateway.domain.spending import Attribution, Spent, UsageQuery, UsageRow
from gateway.domain.usage import ModelUsage, Usage
from tests.telemetry.test_metrics import RECORD

KEYS = (RECORD.agent, RECORD.team or "", RECORD.provider, RECORD.lane, RECORD.model)
HOUR_S = 3600
CALLED = replace(
    RECORD,
    attempts=1,
    reason=None,
    usage=Usage(10, 20, 30, 5, 40, 7),
    cost_microusd=99,
    wait_s=0.5,
    upstream_s=1.25,
)


def spent_by(record: CallRecord) -> list[tuple[Keys, Spent]]:
    return [(keys, Spent(*amounts)) for keys, amounts in entries(record)]


def test_a_call_adds_its_tokens_its_cost_and_its_times() -> None:
    assert spent_by(CALLED) == [(KEYS, Spent(1, 0, 10, 20, 30, 5, 40, 7, 99, 0, 0, 0, 500, 1250))]


def test_another_models_part_is_a_row_of_its_own_and_no_call() -> None:
    others = (ModelUsage("advisor", Usage(3, output_tokens=4)),)
    record = replace(CALLED, usage=replace(CALLED.usage, others=others), others_microusd=(60,))
    (_, own), (keys, other) = spent_by(record)
    assert keys == (*KEYS[:4], "advisor")
    assert other == Spent(input_tokens=3, output_tokens=4, cost_microusd=60)
    assert (own.cost_microusd, own.calls) == (39, 1)


def test_a_refusal_is_counted_and_what_reached_nobody_is_not() -> None:
    refused = replace(RECORD, attempts=0, reason=Reason.AGENT_BUDGET, wait_s=2.0)
    assert spent_by(refused) == [(KEYS, Spent(refused=1, wait_ms=2000))]
    assert not spent_by(replace(refused, agent=""))
    assert not spent_by(replace(RECORD, attempts=0, reason=None))


def test_what_is_unpriced_or_estimated_is_flagged() -> None:
    record = replace(CALLED, priced=False, usage=Usage(1, exact=False))
    ((_, spent),) = spent_by(record)
    assert (spent.unpriced, spent.estimated) == (1, 1)


def test_a_folded_row_keeps_what_callers_cannot_make_up() -> None:
    assert folded(("ann", "red", "claude", "claude/x", "x")) == (
        "ann", "red", "claude", "other", "other",
    )  # fmt: skip
    assert folded(("ann", "red", "claude", "l", "x", "job=1"))[-1] == "other"


def test_rows_add_up_by_group_and_time() -> None:
    one, two = Spent(calls=1, cost_microusd=5).amounts(), Spent(calls=2).amounts()
    rows = [
        (("ann", "red", "p", "l", "m"), one),
        (("bob", "red", "p", "l", "m"), two),
        (("ann", "red", "p", "l", "n"), two),
    ]

    def summed(*by: Attribution, bucket_s: int | None = None) -> list[UsageRow]:
        sums = Sums(UsageQuery(0, 0, by, bucket_s))
        for hour in (0, 1, 2):
            sums.add(hour * HOUR_S, [(sums.group(keys), amounts) for keys, amounts in rows])
        return sums.rows()

    assert summed() == [UsageRow(None, (), Spent(calls=15, cost_microusd=15))]
    assert [(row.keys, row.spent.calls) for row in summed(Attribution.AGENT)] == [
        (("ann",), 9),
        (("bob",), 6),
    ]
    assert [row.keys for row in summed(Attribution.MODEL, Attribution.AGENT)] == [
        ("m", "ann"),
        ("m", "bob"),
        ("n", "ann"),
    ]
    assert [(row.start_s, row.spent.calls) for row in summed(bucket_s=2 * HOUR_S)] == [
        (0, 10),
        (2 * HOUR_S, 5),
    ]


def test_amounts_that_an_older_version_did_not_keep_are_none() -> None:
    sums = Sums(UsageQuery(0, 0))
    sums.add(0, [((), [1, 0, 10]), ((), Spent(calls=1, upstream_ms=5).amounts())])
    assert sums.rows() == [UsageRow(None, (), Spent(calls=2, input_tokens=10, upstream_ms=5))]
