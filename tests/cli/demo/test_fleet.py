"""Who the agents are."""

from collections.abc import Iterator
from itertools import islice

import pytest

from gateway.cli.demo.fleet import LIMITS, ROLES, Member, fleet, lanes, tasks
from gateway.domain.call import Dialect, Priority
from gateway.simulator.tokenizer import tokens_of_bytes

_RATIO_MILLI = {Dialect.ANTHROPIC: 1300, Dialect.OPENAI: 1000, Dialect.GEMINI: 1000}


def test_a_fleet_of_ten_has_every_sdk_and_every_priority() -> None:
    ten = fleet(10)
    assert {one.dialect for one in ten} == set(Dialect)
    assert {one.priority for one in ten} == set(Priority)
    assert any(one.budget.tpm for one in ten)


@pytest.mark.parametrize("count", [1, 10, 25])
def test_names_are_unique(count: int) -> None:
    assert len({one.name for one in fleet(count)}) == count


def test_every_provider_has_a_lane_with_the_limits_that_are_simulated() -> None:
    assert [lane.limits for lane in lanes()] == list(LIMITS.values())


def prompts(member: Member, seed: int) -> Iterator[str]:
    return (task.prompt for _, task in islice(tasks(member, 0, seed), 20))


def test_a_seed_repeats_what_an_agent_does() -> None:
    assert list(prompts(ROLES[1], 7)) == list(prompts(ROLES[1], 7))
    assert list(prompts(ROLES[1], 7)) != list(prompts(ROLES[1], 8))


@pytest.mark.parametrize("member", ROLES, ids=lambda one: one.name)
def test_prompts_have_the_size_that_the_role_says(member: Member) -> None:
    shortest, longest = member.prompt_tokens
    for prompt in prompts(member, 1):
        tokens = tokens_of_bytes(len(prompt), _RATIO_MILLI[member.dialect])
        assert shortest <= tokens <= longest + 20


def test_two_workers_of_an_agent_never_use_the_same_task_id() -> None:
    coder = ROLES[1]
    ids = [task.id for n in range(coder.workers) for _, task in islice(tasks(coder, n, 1), 50)]
    assert len(set(ids)) == len(ids)
