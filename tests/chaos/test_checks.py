"""The checks of the chaos suite find what they are there to find."""

from random import Random
from typing import Any, cast

import pytest

from gateway.store.connection import connect
from tests.chaos.checks import differences, left, lost, overshoot
from tests.chaos.faults import Trouble
from tests.chaos.fleet import Call, End
from tests.chaos.world import BUDGET_TPM, MINUTE_S, World
from tests.store.admitting import LANE, ended, replica, request, topology

NOBODY = cast("World", None)


def trouble(**fields: Any) -> Trouble:
    return Trouble(NOBODY, Random(1), **fields)


def record(name: str, at_s: float, tokens: int, output: int = 0) -> dict[str, Any]:
    return {
        "client": name,
        "started_s": at_s,
        "ended_s": at_s + 0.1,
        "input_tokens": tokens,
        "output_tokens": output,
        "whole": True,
    }


def call(name: str, end: End = End.WHOLE, at_s: float = 100.0) -> Call:
    return Call(name, name.split("/", maxsplit=1)[0], 0, at_s, at_s + 1, end, "", name, (5, 6))


@pytest.mark.parametrize(
    ("apart_s", "over"), [(MINUTE_S / 2, (1, -BUDGET_TPM)), (2 * MINUTE_S, (0, -BUDGET_TPM))]
)
def test_a_budget_that_is_exceeded_in_a_sliding_minute_is_found(
    apart_s: float, over: tuple[int, int]
) -> None:
    half = BUDGET_TPM // 2
    log = [record("ann/1", 50, half, half), record("ann/2", 50 + apart_s, 1)]
    assert overshoot(log, trouble(), set()) == over


def test_what_happens_while_a_gateway_is_cut_off_is_told_apart() -> None:
    log = [record("ann/1", 50, BUDGET_TPM), record("ann/2", 52, 7)]
    assert overshoot(log, trouble(apart=[(49.0, 51.0)]), set()) == (-BUDGET_TPM, 7)


async def test_a_call_that_is_left_in_the_store_is_found(store_url: str) -> None:
    client = await connect(store_url)
    async with replica(client, "r1", of=topology()) as one:
        assert [what async for what in left(client, one)] == []
        await one.admit(request("t"))
        found = [what async for what in left(client, one)]
        assert [what.split(" ")[0] for what in found] == ["ticket", "lane:", "the", "budget"]
        one.settle(ended("t"))
        await one.inspect_lane(LANE)
        assert [what async for what in left(client, one)] == []
    await client.aclose()


def test_output_that_nobody_saw_is_not_counted() -> None:
    log = [record("ann/1", 50, BUDGET_TPM, 9)]
    assert overshoot(log, trouble(), {"ann/1"}) == (0, -BUDGET_TPM)
    assert overshoot(log, trouble(), set()) == (9, -BUDGET_TPM)


def test_a_cut_call_is_lost_unless_its_gateway_was_killed_meanwhile() -> None:
    calls = [call("ann/1", End.CUT), call("ann/2", End.TYPED), call("bob/1", End.CUT, 200.0)]
    assert lost(calls, trouble(killed=[(0, 100.5, 102.0)])) == [calls[2]]
    assert lost(calls, trouble(killed=[(1, 100.5, 102.0)])) == [calls[0], calls[2]]


def test_accounts_that_differ_by_one_token_are_found() -> None:
    log = [record("ann/1", 100, 5, 6)]
    right = {"ann/1": {"input_tokens": 5, "output_tokens": 6}}
    wrong = {"ann/1": {"input_tokens": 5, "output_tokens": 7}}
    assert differences(right, log, trouble(), [call("ann/1")]) == ([], 0)
    found, unwritten = differences(wrong, log, trouble(), [call("ann/1")])
    assert (len(found), unwritten) == (1, 0)
    assert len(differences({}, log, trouble(), [call("ann/1")])[0]) == 1
    assert len(differences(right, [record("ann/1", 100, 5, 5)], trouble(), [call("ann/1")])[0]) == 1


def test_a_line_that_died_with_its_gateway_is_counted_apart() -> None:
    killed = trouble(killed=[(0, 101.2, 103.0)])
    assert differences({}, [], killed, [call("ann/1")]) == ([], 1)
