"""Cache assistance: one call writes the provider's cache, and those that begin alike read it.

What was read and written is the provider's word, whose cache has an entry once an answer begins.
"""

import asyncio
import gzip
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic.types import MessageParam

from gateway.core.convoy import ConvoySettings
from gateway.domain.topology import Agent
from gateway.simulator import CallRecord, FaultRule, RunningSimulator, SimulatorSettings
from gateway.simulator import start_simulator as start
from gateway.store.connection import connect
from tests.fixtures.gateway import (
    ALICE,
    BOB,
    KEY,
    OTHER_KEY,
    LaneLimits,
    configured_lane,
    gateway_settings,
    running_gateway,
)
from tests.integration.asking import admin
from tests.integration.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
MODEL = "claude-sonnet-4-6"
RULES = "Be brief. " * 2500
MARKED = [{"type": "text", "text": RULES, "cache_control": {"type": "ephemeral"}}]
HANGS = FaultRule("hang", count=1, after_chunks=-1)
FLEET = 5


@dataclass
class Fleet:
    """Agents before one or more gateways, with assistance (alice) and without (bob)."""

    provider: RunningSimulator
    urls: list[str]
    client: httpx2.AsyncClient

    async def ask(
        self,
        text: str,
        system: Any = MARKED,
        *,
        at: int = 0,
        stream: bool = True,
        key: str = KEY,
        history: tuple[str, ...] = (),
        zipped: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        said = [
            {"role": ("user", "assistant")[n % 2], "content": each}
            for n, each in enumerate((*history, text + " [[output=5]]"))
        ]
        body = {"model": MODEL, "max_tokens": 20, "stream": stream, "messages": said}
        if system:
            body["system"] = system
        fields = {"x-api-key": key, "anthropic-version": "2023-06-01", **(headers or {})}
        url = self.urls[at] + "/v1/messages"
        data = json.dumps(body).encode()
        if zipped:
            data, fields["content-encoding"] = gzip.compress(data), "gzip"
        return await self.client.post(url, content=data, headers=fields)

    async def start(self, texts: str, **more: Any) -> list[asyncio.Task[httpx2.Response]]:
        """Ask at once."""
        loop = asyncio.get_running_loop()
        return [loop.create_task(self.ask(text, **more)) for text in texts]

    async def reached(self, count: int) -> None:
        """So many calls have reached the provider."""
        await until(lambda: self.hits() >= count, f"{count} calls at the provider")

    def hits(self) -> int:
        return sum(hits for _, hits in self.provider.state.faults.hits())

    async def log(self, count: int) -> list[CallRecord]:
        found = self.provider.state.ledger.log
        await until(lambda: len(found) >= count, f"{count} calls in the ledger")
        assert len(found) == count
        return list(found)

    async def uses(self, count: int) -> Counter[str]:
        """How many calls wrote to the cache, read from it, or did neither."""
        return Counter(use_of(record) for record in await self.log(count))


def use_of(record: CallRecord) -> str:
    if record.status != 200 or not record.whole:
        return "failed"
    if record.cache_write_tokens:
        return "wrote"
    return "read" if record.cache_read_tokens else "neither"


@asynccontextmanager
async def fleet(
    provider: RunningSimulator,
    store_url: str,
    *faults: FaultRule,
    hold_s: float = 20.0,
    replicas: int = 1,
    ttft_s: float = 0.0,
    hold_head_s: float = 15.0,
    itpm: int | None = None,
    tokens_per_s: float = 0.0,
) -> AsyncIterator[Fleet]:
    provider.state.reset()
    usual = provider.state.settings
    provider.state.configure(replace(usual, ttft_s=ttft_s, tokens_per_s=tokens_per_s))
    provider.state.faults.set(list(faults))
    settings = gateway_settings(provider.url, agents=[Agent(ALICE, cache_assist=True), Agent(BOB)])
    claude = settings.topology.providers["claude"]
    lane = configured_lane("sonnet", claude, (MODEL,), LaneLimits(itpm=itpm))
    settings = replace(
        settings,
        topology=replace(settings.topology, lanes={"sonnet": lane}),
        caching=ConvoySettings(hold_s=hold_s),
        server=replace(settings.server, hold_head_s=hold_head_s, keepalive_s=0.02),
    )
    async with AsyncExitStack() as stack:
        urls = [
            (await stack.enter_async_context(running_gateway(settings, store_url))).url
            for _ in range(replicas)
        ]
        client = httpx2.AsyncClient(timeout=20, trust_env=False, verify=False)
        yield Fleet(provider, urls, await stack.enter_async_context(client))
    provider.state.configure(usual)
    provider.state.reset()


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
async def test_one_call_goes_ahead_and_the_others_read_what_it_wrote(
    provider: RunningSimulator, store_url: str, stream: bool
) -> None:
    async with fleet(provider, store_url, ttft_s=0.15) as here:
        tasks = await here.start("abcde", stream=stream)
        assert [each.status_code for each in await asyncio.gather(*tasks)] == [200] * FLEET
        assert await here.uses(FLEET) == {"wrote": 1, "read": FLEET - 1}
        ids = [(await each).headers["x-gateway-request-id"] for each in tasks]
        async with admin(here.urls[0]) as asked:
            stories = [await asked.why(each) for each in ids]
    [leader] = [each["request_id"] for each in stories if not each["held_s"]]
    assert {each["held_behind"] for each in stories} == {"", leader}
    for each in stories:
        held = each["request_id"] != leader
        assert each["wait_s"] >= each["held_s"]
        assert (each["held_s"] > 0.05) is held
        # What others have just written is expected to be read by those that waited for it.
        assert each["estimated_input_tokens"] > 6000


async def test_who_was_held_is_charged_for_what_is_not_in_the_cache(
    provider: RunningSimulator, store_url: str
) -> None:
    """The lane has room for one of these prompts in a minute, and the first answer takes long."""
    patience = {"x-gateway-max-wait": "5"}
    async with fleet(provider, store_url, ttft_s=0.1, tokens_per_s=10, itpm=10_000) as here:
        answers = await asyncio.gather(*await here.start("abcde", headers=patience))
        assert [each.status_code for each in answers] == [200] * FLEET
        # One for whom the cache is no use finds no room.
        other = await here.ask("f", "Other rules. " * 2000, headers=patience)
        assert (other.status_code, other.headers["x-gateway-reason"]) == (429, "queue_timeout")


async def test_without_assistance_each_writes_for_itself(
    provider: RunningSimulator, store_url: str
) -> None:
    async with fleet(provider, store_url, ttft_s=0.15) as here:
        await asyncio.gather(*await here.start("abcde", key=OTHER_KEY))
        assert await here.uses(FLEET) == {"wrote": FLEET}


async def test_assistance_is_turned_on_while_the_gateway_runs(
    provider: RunningSimulator, store_url: str
) -> None:
    async with fleet(provider, store_url, ttft_s=0.15) as here:
        async with admin(here.urls[0]) as asked:
            path = "/admin/v1/agents/bob"
            changed = await asked.client.patch(path, json={"cache_assist": True})
            assert changed.status_code == 200, changed.text
            await asked.until("agents/bob", lambda found: bool(found["cache_assist"]))
        await asyncio.gather(*await here.start("abcde", key=OTHER_KEY))
        assert await here.uses(FLEET) == {"wrote": 1, "read": FLEET - 1}


async def test_prompts_without_marks_are_marked_from_the_second_time_on(store_url: str) -> None:
    async with (
        start(SimulatorSettings(limits={}, capture=20)) as provider,
        fleet(provider, store_url) as here,
    ):
        for text, zipped in (("a", False), ("b", True)):
            assert (await here.ask(text, RULES, zipped=zipped)).status_code == 200
        await here.ask("more", RULES, history=("a [[output=5]]", "I see."))
        assert [use_of(each) for each in await here.log(3)] == ["neither", "wrote", "wrote"]
        last = here.provider.state.ledger.log[-1]
        assert last.cache_read_tokens > 6000
        bodies = [json.loads(each.body) for each in here.provider.state.captured]
    assert bodies[0]["system"] == RULES
    assert bodies[1]["system"] == MARKED
    assert isinstance(bodies[1]["messages"][0]["content"], str)
    assert bodies[2]["system"] == MARKED
    assert "cache_control" in bodies[2]["messages"][-1]["content"][0]


async def test_prompts_without_marks_that_come_together_are_marked_at_once(
    provider: RunningSimulator, store_url: str
) -> None:
    async with fleet(provider, store_url, ttft_s=0.15) as here:
        answers = await asyncio.gather(*await here.start("abcde", system=RULES))
        assert [each.status_code for each in answers] == [200] * FLEET
        assert await here.uses(FLEET) == {"wrote": 1, "read": FLEET - 1}


async def test_branches_of_a_conversation_share_what_they_have_in_common(
    provider: RunningSimulator, store_url: str
) -> None:
    history = (RULES, "I have read them.")
    async with fleet(provider, store_url, ttft_s=0.15) as here:
        await here.ask("x", "", history=history)
        answers = await asyncio.gather(*await here.start("abcde", system="", history=history))
        assert [each.status_code for each in answers] == [200] * FLEET
        assert await here.uses(1 + FLEET) == {"neither": 1, "wrote": 1, "read": FLEET - 1}


async def test_a_provider_that_refuses_marks_gets_none(
    provider: RunningSimulator, store_url: str
) -> None:
    refuses = FaultRule(
        "status", status=400, skip=1, count=1, message="system.0.cache_control: not permitted"
    )
    async with fleet(provider, store_url, refuses) as here:
        for text in "abc":
            assert (await here.ask(text, RULES)).status_code == 200
        found = [(each.status, use_of(each)) for each in await here.log(4)]
        assert found == [(200, "neither"), (400, "failed"), (200, "neither"), (200, "neither")]


async def test_the_sdk_reads_answers_as_ever(provider: RunningSimulator, store_url: str) -> None:
    async with fleet(provider, store_url) as here:
        client = anthropic.AsyncAnthropic(
            base_url=here.urls[0], api_key=KEY, http_client=here.client, max_retries=0
        )
        said: list[MessageParam] = []
        read = []
        for text in "abc":
            said.append({"role": "user", "content": text + " [[output=5]]"})
            async with client.messages.stream(
                model=MODEL, max_tokens=20, system=RULES, messages=said
            ) as stream:
                answer = await stream.get_final_message()
            whole = await client.messages.create(
                model=MODEL, max_tokens=20, system=RULES, messages=said
            )
            assert [block.type for block in whole.content] == ["text"]
            assert whole.content[0].to_dict().items() <= answer.content[0].to_dict().items()
            said.append({"role": "assistant", "content": whole.content})
            read.append(answer.usage.cache_read_input_tokens)
        assert read[0] == 0
        assert 0 < (read[1] or 0) < (read[2] or 0)


async def test_when_the_first_one_fails_another_one_goes_ahead(
    provider: RunningSimulator, store_url: str
) -> None:
    broken = FaultRule("status", status=500, count=1)
    async with fleet(provider, store_url, broken, ttft_s=0.15) as here:
        answers = await asyncio.gather(*await here.start("abcde"))
        assert Counter(each.status_code for each in answers) == {200: FLEET - 1, 500: 1}
        assert await here.uses(FLEET) == {"failed": 1, "wrote": 1, "read": FLEET - 2}


async def test_when_the_first_ones_client_leaves_another_one_goes_ahead(
    provider: RunningSimulator, store_url: str
) -> None:
    async with fleet(provider, store_url, HANGS) as here:
        [first] = await here.start("a")
        await here.reached(1)
        others = await here.start("bcd")
        first.cancel()
        answers = await asyncio.gather(*others)
        assert [each.status_code for each in answers] == [200] * 3
        assert await here.uses(4) == {"failed": 1, "wrote": 1, "read": 2}


async def test_a_client_that_leaves_while_it_is_held_is_not_missed(
    provider: RunningSimulator, store_url: str
) -> None:
    async with fleet(provider, store_url, HANGS) as here:
        [first] = await here.start("a")
        await here.reached(1)
        held = await here.start("bc")
        async with admin(here.urls[0]) as asked:
            await asked.until("lanes", lambda found: bool(found["items"]))
        held[0].cancel()
        await asyncio.wait([held[0]])
        first.cancel()
        assert (await held[1]).status_code == 200
        assert await here.uses(2) == {"failed": 1, "wrote": 1}


async def test_urgent_calls_are_not_held(provider: RunningSimulator, store_url: str) -> None:
    async with fleet(provider, store_url, HANGS) as here:
        [first] = await here.start("a")
        await here.reached(1)
        assert (await here.ask("b", headers={"x-gateway-priority": "urgent"})).status_code == 200
        first.cancel()
        assert (await here.uses(2))["wrote"] == 1


async def test_who_has_waited_long_enough_goes(provider: RunningSimulator, store_url: str) -> None:
    async with fleet(provider, store_url, HANGS, hold_s=0.05) as here:
        [first] = await here.start("a")
        await here.reached(1)
        answer = await here.ask("b")
        assert answer.status_code == 200
        async with admin(here.urls[0]) as asked:
            story = await asked.why(answer.headers["x-gateway-request-id"])
        assert story["held_s"] >= 0.05
        first.cancel()
        await here.log(2)


async def test_a_client_is_kept_alive_while_its_call_is_held(
    provider: RunningSimulator, store_url: str
) -> None:
    async with fleet(provider, store_url, HANGS, hold_s=0.3, hold_head_s=0.05) as here:
        [first] = await here.start("a")
        await here.reached(1)
        answer = await here.ask("b")
        assert answer.status_code == 200
        events = [line for line in answer.text.splitlines() if line.startswith("event: ")]
        assert events[0] == events[1] == "event: ping"
        assert events.index("event: message_start") < events.index("event: message_stop")
        first.cancel()
        await here.log(2)


@pytest.mark.parametrize("patience", ["hold", "max-wait"])
async def test_nobody_is_held_who_must_not_wait(
    provider: RunningSimulator, store_url: str, patience: str
) -> None:
    hold_s = 0.0 if patience == "hold" else 20.0
    headers = {"x-gateway-max-wait": "0"} if patience == "max-wait" else {}
    async with fleet(provider, store_url, HANGS, hold_s=hold_s) as here:
        [first] = await here.start("a")
        await here.reached(1)
        assert (await here.ask("b", headers=headers)).status_code == 200
        first.cancel()
        await here.log(2)


async def test_a_session_is_named_to_openais_cache(store_url: str) -> None:
    async with (
        start(SimulatorSettings(limits={}, capture=20)) as provider,
        fleet(provider, store_url) as here,
    ):
        url, said = here.urls[0] + "/v1/chat/completions", [{"role": "user", "content": "hi"}]
        body = {"model": "gpt-4o-mini", "stream": True, "messages": said}
        for key, session in ((KEY, "s"), (KEY, "s"), (KEY, "t"), (KEY, ""), (OTHER_KEY, "s")):
            headers = {"authorization": f"Bearer {key}", "x-gateway-session": session}
            answer = await here.client.post(url, json=body, headers=headers)
            assert answer.status_code == 200
            assert "total_tokens" not in answer.text, "nobody asked for the usage"
        keys = [
            json.loads(each.body).get("prompt_cache_key") for each in here.provider.state.captured
        ]
    assert keys[0] == keys[1] != keys[2]
    assert all(keys[:3])
    assert keys[3:] == [None, None]


async def test_calls_of_another_replica_are_waited_for(
    provider: RunningSimulator, store_url: str
) -> None:
    async with fleet(provider, store_url, replicas=2, ttft_s=0.4) as here:
        await subscribed(store_url, 2)
        [first] = await here.start("a", at=0)
        await until(lambda: provider.state.ledger.in_flight > 0, "a call at the provider")
        others = await here.start("bcd", at=1)
        answers = await asyncio.gather(first, *others)
        assert [each.status_code for each in answers] == [200] * 4
        assert await here.uses(4) == {"wrote": 1, "read": 3}
        ids = [str(each.headers["x-gateway-request-id"]) for each in answers]
        async with admin(here.urls[1]) as asked:
            behind = {(await asked.why(each))["held_behind"] for each in ids[1:]}
        assert behind == {ids[0]}, "they heard that it is warm, and waited for nobody else"


async def test_a_new_head_that_comes_once_to_each_replica_is_marked(
    provider: RunningSimulator, store_url: str
) -> None:
    async with fleet(provider, store_url, replicas=2, ttft_s=0.15) as here:
        await subscribed(store_url, 2)
        asked = [await here.start(text, at=at, system=RULES) for at, text in enumerate("ab")]
        answers = await asyncio.gather(*(task for tasks in asked for task in tasks))
        assert [each.status_code for each in answers] == [200] * 2
        assert (await here.uses(2))["neither"] == 0


async def subscribed(store_url: str, count: int) -> None:
    """So many replicas listen."""
    store = await connect(store_url)
    deadline = asyncio.get_running_loop().time() + 10
    try:
        while True:
            channels = await store.pubsub_channels("*:caches")
            numbers = await store.pubsub_numsub(*channels) if channels else []
            if sum(number for _, number in numbers) >= count:
                return
            assert asyncio.get_running_loop().time() < deadline, "replicas do not listen"
            await asyncio.sleep(0.01)
    finally:
        await store.aclose()
