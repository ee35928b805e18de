"""Whether a call that waits goes elsewhere: what waiting is worth against what its cache is."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from gateway.core.failover import FailoverSettings
from gateway.domain.call import Priority
from gateway.domain.limits import Budget, LaneLimits
from gateway.domain.topology import Agent
from gateway.simulator import FaultRule, RunningSimulator
from tests.fixtures.gateway import PLAIN, running_gateway
from tests.integration.asking import admin
from tests.integration.failing_over import CLAUDE, MODELS, SPEECHES, Pair, pair
from tests.integration.speaking import Answer, Speech, agent
from tests.integration.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
ONE_A_MINUTE = LaneLimits(rpm=1)


def worth(microusd: int, after_s: float = 0.2) -> Any:
    by_priority = dict.fromkeys(Priority, microusd)
    return replace(PLAIN, failover=FailoverSettings(after_s, by_priority))


async def moves(here: Pair, answer: Answer) -> list[Any]:
    async with admin(here.url) as asked:
        found = await asked.why(str(answer.headers["x-gateway-request-id"]))
    result: list[Any] = found["moves"]
    return result


@pytest.mark.parametrize("speech", SPEECHES[1::2], ids=str)
async def test_a_long_wait_is_left_for_a_lane_with_room(
    provider: RunningSimulator, store_url: str, speech: Speech
) -> None:
    async with pair(
        provider, store_url, first=ONE_A_MINUTE, max_wait_s=120, reliability=worth(1000)
    ) as here:
        assert (await here.alice.say(speech)).headers["x-gateway-model"] == speech.model
        answer = await here.alice.say(speech)
        [move] = await moves(here, answer)
        lane = await here.books.inspect_lane(f"first-{speech.dialect}")
    assert (answer.status, answer.headers["x-gateway-model"]) == (200, MODELS[speech.dialect][2])
    assert (move["why"], move["moved"], move["to_lane"]) == (
        "long_wait",
        True,
        f"second-{speech.dialect}",
    )
    assert 15.0 < move["wait_s"] < 65.0
    assert move["wait_microusd"] == pytest.approx(move["wait_s"] * 1000, abs=1)
    assert move["loss_microusd"] == 0
    assert sum(lane.waiting) == 0, "it has left the queue of the first"


@pytest.mark.parametrize("speech", SPEECHES[1::2], ids=str)
async def test_a_head_that_goes_out_early_does_not_say_who_will_answer(
    provider: RunningSimulator, store_url: str, speech: Speech
) -> None:
    """The stream itself does, and the explanation."""
    async with pair(
        provider,
        store_url,
        FaultRule("status", status=429, retry_after_s=1.0, model=speech.model, count=1),
        FaultRule("status", status=429, retry_after_s=300, model=speech.model),
        hold_head_s=0.1,
    ) as here:
        answer = await here.alice.say(speech)
        [move] = await moves(here, answer)
    assert answer.status == 200
    assert "x-gateway-model" not in answer.headers
    assert MODELS[speech.dialect][2].encode() in answer.body
    assert (move["why"], move["moved"]) == ("lane_blocked", True)


async def test_a_call_whose_time_does_not_suffice_moves_at_once(
    provider: RunningSimulator, store_url: str
) -> None:
    """The wait is known at admission."""
    async with pair(provider, store_url, first=ONE_A_MINUTE) as here:
        await here.alice.say(CLAUDE)
        answer = await here.alice.say(CLAUDE, extra={"x-gateway-max-wait": "5"})
        [move] = await moves(here, answer)
    assert answer.headers["x-gateway-lane"] == "second-anthropic"
    assert float(answer.headers["x-gateway-queue-ms"]) < 1000
    assert (move["why"], move["moved"]) == ("queue_timeout", True)
    assert move["wait_s"] > 5.0


async def test_a_short_wait_is_waited_for(provider: RunningSimulator, store_url: str) -> None:
    async with pair(
        provider, store_url, first=ONE_A_MINUTE, minute_s=1.0, reliability=worth(1000, after_s=5.0)
    ) as here:
        await here.alice.say(CLAUDE)
        answer = await here.alice.say(CLAUDE)
        assert await moves(here, answer) == []
    assert answer.headers["x-gateway-lane"] == "first-anthropic"


async def test_a_warm_cache_that_is_worth_more_keeps_a_call_where_it_is(
    provider: RunningSimulator, store_url: str
) -> None:
    """Field-notes 22. The decision is recorded with both figures."""
    body = {
        "model": CLAUDE.model,
        "max_tokens": 8,
        "system": [
            {"type": "text", "text": "word " * 8000, "cache_control": {"type": "ephemeral"}}
        ],
        "messages": [{"role": "user", "content": "go [[output=4]]"}],
    }

    async def ask(here: Pair) -> Answer:
        response = await here.alice.client.post(
            here.url + CLAUDE.path, json=body, headers=CLAUDE.headers()
        )
        return Answer(response.status_code, response.headers, response.content)

    async with pair(
        provider, store_url, first=ONE_A_MINUTE, minute_s=1.2, reliability=worth(1000)
    ) as here:
        await ask(here)
        stayed = await ask(here)
        [move] = await moves(here, stayed)
    assert stayed.headers["x-gateway-lane"] == "first-anthropic"
    assert (move["why"], move["moved"]) == ("long_wait", False)
    assert move["loss_microusd"] > move["wait_microusd"] > 0
    cached_tokens = json.loads(stayed.body)["usage"]["cache_read_input_tokens"]
    saved = (1.0 - 0.1) * cached_tokens  # at claude-haiku-4-5: $1 in, $0.1 from the cache
    assert move["loss_microusd"] == pytest.approx(saved, rel=0.1)


async def test_a_call_that_finds_no_room_elsewhere_has_its_place_again(
    provider: RunningSimulator, store_url: str
) -> None:
    """Those that came later have not overtaken it."""
    async with pair(
        provider,
        store_url,
        first=LaneLimits(concurrency=1),
        second=LaneLimits(concurrency=1),
        reliability=worth(1000, after_s=0.05),
        ttft_s=0.5,
    ) as here:
        # Both lanes learn how long a call takes, then both are busy.
        small = replace(CLAUDE, model="claude-haiku-4-5")
        await asyncio.gather(here.alice.say(CLAUDE), here.alice.say(small))
        running = [asyncio.ensure_future(here.alice.say(one)) for one in (CLAUDE, small, small)]
        await until(lambda: here.simulator.state.ledger.in_flight == 2, "two calls")
        waiting = []
        for prompt in ("one", "two", "three"):
            waiting.append(asyncio.ensure_future(here.alice.say(CLAUDE, prompt=prompt)))
            await asyncio.sleep(0.02)
        answers = await asyncio.gather(*waiting, *running)
        noted = [await moves(here, answer) for answer in answers[:3]]
    assert {answer.status for answer in answers} == {200}
    assert any(move["why"] == "no_room" and not move["moved"] for one in noted for move in one)
    waits = [float(answer.headers["x-gateway-queue-ms"]) for answer in answers[:3]]
    lanes = [answer.headers["x-gateway-lane"] for answer in answers[:3]]
    first = [wait for wait, lane in zip(waits, lanes, strict=True) if lane == "first-anthropic"]
    assert first == sorted(first)


async def test_a_wait_for_its_own_budget_moves_no_call(
    provider: RunningSimulator, store_url: str
) -> None:
    """It would wait for the same budget anywhere."""
    async with pair(provider, store_url, minute_s=1.5, reliability=worth(1000)) as here:
        agents = {"alice": Agent("alice", budget=Budget(rpm=1))}
        topology = replace(here.settings.topology, agents=agents)
        settings = replace(here.settings, topology=topology)
        async with running_gateway(settings, store_url) as poor, agent(poor.url) as alice:
            await alice.say(CLAUDE)
            answer = await alice.say(CLAUDE)
            assert await moves(replace(here, url=poor.url), answer) == []
    assert answer.headers["x-gateway-lane"] == "first-anthropic"
    assert float(answer.headers["x-gateway-queue-ms"]) > 200


SIGNED = {
    "anthropic": (
        {
            "model": "claude-sonnet-5",
            "max_tokens": 8,
            "messages": [
                {"role": "user", "content": "a"},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "", "signature": "c2ln"},
                        {"type": "text", "text": "b"},
                    ],
                },
                {"role": "user", "content": "c"},
            ],
        },
        b"signed thinking ties it to this model",
    ),
    "gemini": (
        {
            "contents": [
                {"role": "user", "parts": [{"text": "a"}]},
                {"role": "model", "parts": [{"text": "b", "thoughtSignature": "c2ln"}]},
                {"role": "user", "parts": [{"text": "c"}]},
            ]
        },
        b"a thought signature ties it to this model",
    ),
}


@pytest.mark.parametrize("dialect", SIGNED)
async def test_a_conversation_that_is_tied_to_its_model_does_not_move(
    provider: RunningSimulator, store_url: str, dialect: str
) -> None:
    name, model, _ = MODELS[dialect]
    speech = Speech(dialect, model, False, name)
    body, words = SIGNED[dialect]
    rule = FaultRule("status", status=429, retry_after_s=300, model=model)
    async with pair(provider, store_url, rule) as here:
        response = await here.alice.client.post(
            here.url + speech.path, json=body, headers=speech.headers()
        )
        assert (response.status_code, response.headers["x-gateway-reason"]) == (429, "lane_blocked")
        assert words in response.content
        assert here.called == [(model, 429)]
        assert (await here.alice.say(speech)).status == 200, "another conversation moves"
