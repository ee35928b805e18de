"""A lane that cannot answer hands its calls to what it falls back on, and each pays for its own."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from gateway.config import configured_lane
from gateway.domain.limits import LaneLimits
from gateway.domain.topology import Agent
from gateway.domain.translating import Translating
from gateway.simulator import FaultRule, RunningSimulator, SimulatorSettings
from tests.fixtures.gateway import ALICE, KEY, gateway_settings, running_gateway
from tests.integration.asking import admin
from tests.integration.failing_over import CLAUDE, GONE_FOR_LONG, MODELS, SPEECHES, Pair, pair
from tests.integration.speaking import Speech, agent

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("speech", SPEECHES, ids=str)
async def test_a_lane_that_is_blocked_for_longer_than_a_call_waits_hands_it_on(
    provider: RunningSimulator, store_url: str, speech: Speech
) -> None:
    rule = replace_rule(GONE_FOR_LONG, model=speech.model)
    second = MODELS[speech.dialect][2]
    async with pair(provider, store_url, rule) as here, admin(here.url) as asked:
        answer = await here.alice.say(speech, 12)
        assert answer.status == 200
        assert answer.headers["x-gateway-model"] == second
        assert answer.headers["x-gateway-lane"] == f"second-{speech.dialect}"
        assert answer.headers["x-gateway-route"] == "fallback"
        assert here.called == [(speech.model, 429), (second, 200)]
        again = await here.alice.say(speech, 12)
        assert here.called[2:] == [(second, 200)], "a lane known to be blocked is not asked again"
        found = await asked.why(str(answer.headers["x-gateway-request-id"]))
        assert [(one["lane"], one["model"], one["status"]) for one in found["attempts"]] == [
            (f"first-{speech.dialect}", speech.model, 429),
            (f"second-{speech.dialect}", second, 200),
        ]
        assert (found["outcome"], again.status) == ("answered", 200)
        assert await settled_output(here, f"second-{speech.dialect}") == 24
        assert await settled_output(here, f"first-{speech.dialect}") == 0


def replace_rule(rule: FaultRule, **changes: object) -> FaultRule:
    return FaultRule(**{name: getattr(rule, name) for name in rule.__struct_fields__} | changes)


async def settled_output(here: Pair, lane: str) -> int:
    """Output tokens settled in a lane, once nothing is held there any more."""
    for _ in range(500):
        found = await here.books.inspect_lane(lane)
        if not found.in_flight:
            break
    assert not found.in_flight
    reserved, settled, released, expired = (row[2] for row in found.ledger)
    assert reserved == settled + released + expired
    return settled


async def test_a_refused_credential_is_not_the_end_where_another_lane_may_have_a_better_one(
    provider: RunningSimulator, store_url: str
) -> None:
    rule = FaultRule("status", status=401, model=CLAUDE.model)
    async with pair(provider, store_url, rule) as here:
        answer = await here.alice.say(CLAUDE)
    assert answer.status == 200
    assert here.called == [("claude-sonnet-5", 401), ("claude-haiku-4-5", 200)]


@pytest.mark.parametrize("status", [400, 404, 413])
async def test_what_is_the_callers_fault_is_told_at_once(
    provider: RunningSimulator, store_url: str, status: int
) -> None:
    rule = FaultRule("status", status=status, model=CLAUDE.model)
    async with pair(provider, store_url, rule) as here:
        answer = await here.alice.say(CLAUDE)
    assert answer.status == status
    assert "x-gateway-reason" not in answer.headers
    assert here.called == [("claude-sonnet-5", status)]


async def test_a_billing_refusal_is_told_at_once(
    provider: RunningSimulator, store_url: str
) -> None:
    rule = FaultRule("status", status=429, variant="spend_cap", model=CLAUDE.model)
    async with pair(provider, store_url, rule) as here:
        answer = await here.alice.say(CLAUDE)
    assert (answer.status, answer.headers["x-should-retry"]) == (429, "false")
    assert here.called == [("claude-sonnet-5", 429)]


async def test_when_all_are_blocked_the_refusal_names_the_time_of_the_first_to_be_free(
    provider: RunningSimulator, store_url: str
) -> None:
    rules = (
        FaultRule("status", status=429, retry_after_s=300, model="claude-sonnet-5"),
        FaultRule("status", status=429, retry_after_s=40, model="claude-haiku-4-5"),
    )
    async with pair(provider, store_url, *rules) as here:
        answer = await here.alice.say(CLAUDE)
    assert (answer.status, answer.reason) == (429, "lane_blocked")
    assert 30 <= int(answer.headers["retry-after"]) <= 41


@pytest.mark.parametrize(
    "others",
    [("gpt-4o-mini",), ("openai/gpt-4o-mini",), ("gemini-2.5-flash", "local-thing-of-nobody")],
    ids=["lane", "provider", "unknown"],
)
async def test_a_model_of_another_dialect_is_no_option_where_nothing_is_translated(
    provider: RunningSimulator, store_url: str, others: tuple[str, ...]
) -> None:
    rule = FaultRule("status", status=401, model="*")
    fallbacks = {"first-anthropic": (*others, "claude-haiku-4-5")}
    off = Translating.OFF
    async with pair(provider, store_url, rule, fallbacks=fallbacks, translation=off) as here:
        answer = await here.alice.say(CLAUDE)
    assert answer.status == 401
    called = [model for model, _ in here.called]
    assert called[0] == "claude-sonnet-5"
    assert called[-1] == "claude-haiku-4-5"
    assert not {"gpt-4o-mini", "gemini-2.5-flash"} & set(called)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_model_of_another_dialect_answers_in_the_callers(
    provider: RunningSimulator, store_url: str, stream: bool
) -> None:
    rule = FaultRule("status", status=429, retry_after_s=300, model="claude-sonnet-5")
    fallbacks = {"first-anthropic": ("gemini-2.5-flash",)}
    speech = replace(CLAUDE, stream=stream)
    async with pair(provider, store_url, rule, fallbacks=fallbacks) as here:
        answer = await here.alice.say(speech, 12)
        assert answer.status == 200
        assert answer.headers["x-gateway-model"] == "gemini-2.5-flash"
        assert answer.headers["x-gateway-lane"] == "second-gemini"
        assert answer.headers["x-gateway-route"] == "fallback"
        assert "request-id" not in answer.headers, "Gemini names none, and its caller is not Gemini"
        assert here.called == [("claude-sonnet-5", 429), ("gemini-2.5-flash", 200)]
        assert await settled_output(here, "second-gemini") == 12
        assert await settled_output(here, "first-anthropic") == 0


async def test_what_cannot_be_said_there_is_no_option(
    provider: RunningSimulator, store_url: str
) -> None:
    rule = FaultRule("status", status=401, model="claude-sonnet-5")
    fallbacks = {"first-anthropic": ("gpt-4o-mini", "claude-haiku-4-5")}
    async with pair(provider, store_url, rule, fallbacks=fallbacks) as here:
        answer = await here.alice.client.post(
            here.url + CLAUDE.path,
            json={**CLAUDE.body(12), "container": "container_1"},
            headers=CLAUDE.headers(),
        )
    assert answer.status_code == 200
    assert here.called == [("claude-sonnet-5", 401), ("claude-haiku-4-5", 200)]


async def test_the_same_model_of_another_account_is_an_option(
    provider: RunningSimulator, store_url: str
) -> None:
    """And its body is not touched for it."""
    plain = gateway_settings(provider.url)
    provider.state.configure(SimulatorSettings(limits={}))
    provider.state.reset()
    provider.state.faults.set([FaultRule("status", status=401, count=1)])
    claude = plain.topology.providers["claude"]
    topology = replace(
        plain.topology,
        providers={**plain.topology.providers, "spare": replace(claude, name="spare")},
        lanes={"first": configured_lane("first", claude, ("claude-*",), LaneLimits())},
        fallbacks={"first": (f"spare/{CLAUDE.model}",)},
    )
    async with (
        running_gateway(replace(plain, topology=topology), store_url) as running,
        agent(running.url) as alice,
    ):
        answer = await alice.say(CLAUDE)
    assert answer.status == 200
    assert answer.headers["x-gateway-lane"] == f"spare/{CLAUDE.model}"
    assert answer.headers["x-gateway-model"] == CLAUDE.model


EMBEDDING = {"model": "text-embedding-3-small", "input": "x"}
BY_BEARER = {"authorization": f"Bearer {KEY}"}
BY_OWN_KEY = {"x-api-key": "own", "x-gateway-key": KEY, "anthropic-version": "2023-06-01"}


@pytest.mark.parametrize(
    ("path", "body", "headers", "fallbacks"),
    [
        (CLAUDE.path, CLAUDE.body(5), CLAUDE.headers(), {"first-anthropic": ("claude-opus-5",)}),
        (
            "/v1/embeddings",
            EMBEDDING,
            BY_BEARER,
            {"openai/text-embedding-3-small": ("text-embedding-3-large",)},
        ),
        (CLAUDE.path, CLAUDE.body(5), BY_OWN_KEY, {"first-anthropic": (f"spare/{CLAUDE.model}",)}),
    ],
    ids=["a model that the agent may not use", "other vectors", "a credential of its own"],
)
async def test_what_is_no_option(
    provider: RunningSimulator,
    store_url: str,
    path: str,
    body: Any,
    headers: dict[str, str],
    fallbacks: dict[str, tuple[str, ...]],
) -> None:
    rule = FaultRule("status", status=401)
    async with pair(provider, store_url, rule, fallbacks=fallbacks) as here:
        topology = here.settings.topology
        claude = topology.providers["claude"]
        own = replace(claude, api_key=None, passthrough="x-gateway-key" in headers)
        providers = {
            **topology.providers,
            "claude": own if own.passthrough else claude,
            "spare": replace(claude, name="spare"),
        }
        models = ("claude-sonnet-5", "text-*")
        topology = replace(
            topology, providers=providers, agents={ALICE: Agent(ALICE, models=models)}
        )
        settings = replace(here.settings, topology=topology)
        async with running_gateway(settings, store_url) as running:
            answer = await here.alice.client.post(running.url + path, json=body, headers=headers)
        assert answer.status_code == 401
        assert len(here.called) == 1


async def test_a_fault_of_our_own_in_the_middle_of_an_answer_is_no_reason_for_another_one(
    provider: RunningSimulator, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two answers in one, and two calls paid, are worse than one that is cut off."""

    async def failing(*_: object) -> None:
        await asyncio.sleep(0)
        raise ValueError("a mistake in a meter")

    monkeypatch.setattr("gateway.dataplane.exchange.relay", failing)
    async with pair(provider, store_url) as here:
        with pytest.raises(httpx2.TransportError):
            await here.alice.say(CLAUDE)
        lane = await here.books.inspect_lane("first-anthropic")
    assert [model for model, _ in here.called] == [CLAUDE.model]
    assert lane.in_flight == 0
