"""What is sent to a provider again, and what is not."""

import asyncio
from dataclasses import replace
from typing import Any

import anthropic
import httpx2
import pytest

from gateway.config.reliability import ReliabilitySettings
from gateway.core.retrying import Repeat, RetrySettings
from gateway.simulator import FaultRule, RunningSimulator
from tests.fixtures.gateway import KEY, PLAIN, running_gateway
from tests.integration.asking import admin
from tests.integration.failing_over import CLAUDE, SPEECHES, pair
from tests.integration.speaking import Speech, agent

pytestmark = pytest.mark.asyncio(loop_scope="module")
NOWHERE = {"second-anthropic": ("claude-sonnet-5",)}
QUICK = replace(PLAIN, retries=RetrySettings(pause_s=0.001, longest_s=0.001))
AFTER_SEND = replace(QUICK, retries=replace(QUICK.retries, repeat=Repeat.AFTER_SEND))
NEVER = replace(QUICK, retries=replace(QUICK.retries, repeat=Repeat.NEVER))
UNSENT_CUT = FaultRule("cut", after_chunks=-1, count=1)


@pytest.mark.parametrize(
    ("speech", "status"), list(zip(SPEECHES, [500, 503] * 3, strict=True)), ids=str
)
async def test_an_error_that_passes_is_not_seen_by_the_agent(
    provider: RunningSimulator, store_url: str, speech: Speech, status: int
) -> None:
    rule = FaultRule("status", status=status, count=2)
    async with pair(provider, store_url, rule, reliability=QUICK) as here:
        answer = await here.alice.say(speech)
        lane = await here.books.inspect_lane(f"first-{speech.dialect}")
    assert answer.status == 200
    assert [model for model, _ in here.called] == [speech.model] * 3
    assert [status for _, status in here.called][-1] == 200
    assert answer.headers["x-gateway-route"] == "off"
    assert lane.ledger[1][0] == 3, "each attempt counts as a request of the lane"


@pytest.mark.parametrize(
    ("rule", "reliability", "status", "calls"),
    [
        (FaultRule("status", status=500), QUICK, 500, 3),
        (FaultRule("status", status=500), NEVER, 500, 1),
        (FaultRule("status", status=400), QUICK, 400, 1),
        (FaultRule("status", status=401), QUICK, 401, 1),
        (FaultRule("status", status=429, variant="spend_cap"), QUICK, 429, 1),
        (UNSENT_CUT, QUICK, 502, 1),
        (UNSENT_CUT, AFTER_SEND, 200, 2),
        (UNSENT_CUT, NEVER, 502, 1),
    ],
    ids=["5xx", "5xx never", "400", "401", "billing", "cut", "cut after_send", "cut never"],
)
async def test_what_is_repeated(
    provider: RunningSimulator,
    store_url: str,
    rule: FaultRule,
    reliability: ReliabilitySettings,
    status: int,
    calls: int,
) -> None:
    """A POST that may have been processed is not, unless that is accepted."""
    async with pair(provider, store_url, rule, fallbacks=NOWHERE, reliability=reliability) as here:
        answer = await here.alice.say(CLAUDE)
        assert (answer.status, len(here.called)) == (status, calls)


async def test_what_never_reached_the_provider_is_sent_again_and_costs_nothing(
    provider: RunningSimulator, store_url: str
) -> None:
    async with pair(provider, store_url, fallbacks=NOWHERE, reliability=QUICK) as here:
        topology = here.settings.topology
        dead = replace(topology.providers["claude"], base_url="http://127.0.0.1:9")
        topology = replace(topology, providers={**topology.providers, "claude": dead})
        settings = replace(here.settings, topology=topology)
        async with (
            running_gateway(settings, store_url) as broken,
            agent(broken.url) as alice,
            admin(broken.url) as asked,
        ):
            answer = await alice.say(CLAUDE)
            found = await asked.why(str(answer.headers["x-gateway-request-id"]))
        lane = await here.books.inspect_lane("first-anthropic")
    assert (answer.status, answer.reason) == (502, "upstream_connect")
    assert [one["verdict"] for one in found["attempts"]] == ["upstream_connect"] * 3
    assert lane.ledger[1][0] == 0
    assert lane.in_flight == 0


@pytest.mark.parametrize("reliability", [QUICK, AFTER_SEND], ids=["told", "repeated"])
async def test_what_was_sent_in_vain_costs_in_the_accounts_what_it_costs_the_budget(
    provider: RunningSimulator, store_url: str, reliability: ReliabilitySettings
) -> None:
    """The provider may have charged it, so it counts; and whoever asks where it went is told."""
    async with (
        pair(provider, store_url, UNSENT_CUT, fallbacks=NOWHERE, reliability=reliability) as here,
        admin(here.url) as asked,
    ):
        answer = await here.alice.say(CLAUDE)
        found = await asked.why(str(answer.headers["x-gateway-request-id"]))
        budget = await here.books.inspect_agent("alice")
    assert answer.status == (502 if reliability is QUICK else 200)
    assert found["cost_microusd"] == budget.spent_day > 0
    assert found["usage"]["exact"] is (reliability is AFTER_SEND)


async def test_a_path_without_a_codec_is_never_sent_again(
    provider: RunningSimulator, store_url: str
) -> None:
    rule = FaultRule("status", status=500)
    async with pair(provider, store_url, rule, reliability=AFTER_SEND) as here:
        answer = await here.alice.client.post(
            here.url + "/v1/messages/batches", json={"requests": []}, headers=CLAUDE.headers()
        )
        assert answer.status_code == 500
        assert len(here.called) == 1


async def test_an_outage_is_not_multiplied(provider: RunningSimulator, store_url: str) -> None:
    """Field-notes 20: at most the burst, and a tenth of the traffic."""
    rule = FaultRule("status", status=500)
    calls, burst = 60, 4.0
    thrifty = replace(QUICK, retries=replace(QUICK.retries, burst=burst))
    async with pair(provider, store_url, rule, fallbacks=NOWHERE, reliability=thrifty) as here:
        answers = await asyncio.gather(*(here.alice.say(CLAUDE) for _ in range(calls)))
        assert {answer.status for answer in answers} == {500}
        assert calls < len(here.called) <= calls + burst + 0.1 * calls


async def test_a_call_without_patience_is_not_held_up_by_a_pause(
    provider: RunningSimulator, store_url: str
) -> None:
    rule = FaultRule("status", status=503, variant="overloaded", retry_after_s=5.0)
    async with pair(provider, store_url, rule, fallbacks=NOWHERE, reliability=QUICK) as here:
        answer = await here.alice.say(CLAUDE, extra={"x-gateway-max-wait": "1"})
        assert answer.status >= 500
        assert answer.headers["retry-after"] == "5"
        assert len(here.called) == 1


async def test_a_providers_retry_after_is_waited_for(
    provider: RunningSimulator, store_url: str
) -> None:
    rule = FaultRule("status", status=503, variant="overloaded", retry_after_s=1.0, count=1)
    async with pair(provider, store_url, rule, fallbacks=NOWHERE, reliability=QUICK) as here:
        answer = await here.alice.say(CLAUDE)
        assert answer.status == 200
        assert float(answer.headers["x-gateway-queue-ms"]) >= 1000


async def test_an_sdk_with_retries_of_its_own_sees_one_call(
    provider: RunningSimulator, store_url: str
) -> None:
    heard: list[Any] = []

    async def hear(request: httpx2.Request) -> None:
        heard.append(request.headers["x-stainless-retry-count"])
        await asyncio.sleep(0)

    rule = FaultRule("status", status=529, count=2)
    async with (
        pair(provider, store_url, rule, reliability=QUICK) as here,
        httpx2.AsyncClient(event_hooks={"request": [hear]}, trust_env=False) as client,
    ):
        sdk = anthropic.AsyncAnthropic(base_url=here.url, api_key=KEY, http_client=client)
        message = await sdk.messages.create(
            model=CLAUDE.model, max_tokens=9, messages=[{"role": "user", "content": "x"}]
        )
    assert message.usage.output_tokens > 0
    assert heard == ["0"]


async def test_what_an_sdk_sends_again_itself_is_not_repeated_as_well(
    provider: RunningSimulator, store_url: str
) -> None:
    """Field-notes 20: one owner of retries."""
    rule = FaultRule("status", status=500)
    async with pair(provider, store_url, rule, fallbacks=NOWHERE, reliability=QUICK) as here:
        answer = await here.alice.say(CLAUDE, extra={"x-stainless-retry-count": "1"})
        assert (answer.status, len(here.called)) == (500, 1)


async def test_a_failing_lane_hands_over_after_its_repetitions(
    provider: RunningSimulator, store_url: str
) -> None:
    rule = FaultRule("status", status=500, model=CLAUDE.model)
    async with pair(provider, store_url, rule, reliability=QUICK) as here, admin(here.url) as asked:
        answer = await here.alice.say(CLAUDE)
        found = await asked.why(str(answer.headers["x-gateway-request-id"]))
    assert answer.status == 200
    assert [model for model, _ in here.called] == [CLAUDE.model] * 3 + ["claude-haiku-4-5"]
    [move] = found["moves"]
    assert (move["why"], move["moved"]) == ("provider_error", True)


async def test_when_the_other_lane_has_no_room_the_client_hears_of_the_failure(
    provider: RunningSimulator, store_url: str
) -> None:
    rules = (
        FaultRule("status", status=500, model=CLAUDE.model),
        FaultRule("status", status=429, retry_after_s=300, model="claude-haiku-4-5"),
    )
    async with pair(provider, store_url, *rules, reliability=QUICK) as here:
        answer = await here.alice.say(CLAUDE)
    assert (answer.status, answer.reason) == (502, "upstream_error")
    assert b"The provider answered 500" in answer.body


async def test_a_translated_overload_says_when_as_well(
    provider: RunningSimulator, store_url: str
) -> None:
    """Its own provider did not say so; each 503 of ours does (design.md, section 8)."""
    rule = FaultRule("status", status=529, model=CLAUDE.model)
    chat = replace(next(one for one in SPEECHES if one.dialect == "openai"), model=CLAUDE.model)
    async with pair(provider, store_url, rule, fallbacks=NOWHERE, reliability=NEVER) as here:
        answer = await here.alice.say(chat)
    assert (answer.status, answer.headers.get("retry-after")) == (503, "1")
