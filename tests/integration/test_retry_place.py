"""A retry keeps its place (design, section 4): with SDKs that give up waiting and ask again.

The order in which the provider was called is read from the simulator's log.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import anthropic
import openai
import pytest

from gateway.domain.limits import LaneLimits
from gateway.simulator import FaultRule, RunningSimulator
from tests.fixtures.gateway import KEY
from tests.integration.held import Held, held
from tests.integration.sdk_streams import CLAUDE, CLAUDE_SAYS, GPT_SAYS
from tests.integration.speaking import ANTHROPIC, OPENAI, Agent, Answer, Speech, agent
from tests.integration.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
ONE = LaneLimits(concurrency=1)
GIVES_UP_S = 0.7
"""The SDK's time-out; its pause before it tries again is shorter, and it tries again once."""
RETRY = b"x-stainless-retry-count: 1\r\n"
NAMED = {"x-sim-client": "first"}


async def claude(url: str, *, stream: bool) -> None:
    async with anthropic.AsyncAnthropic(
        base_url=url, api_key=KEY, max_retries=1, timeout=GIVES_UP_S, default_headers=NAMED
    ) as sdk:
        if not stream:
            await sdk.messages.create(**CLAUDE, messages=CLAUDE_SAYS)
            return
        async for _ in await sdk.messages.create(**CLAUDE, messages=CLAUDE_SAYS, stream=True):
            pass


async def gpt(url: str, *, stream: bool) -> None:
    async with openai.AsyncOpenAI(
        base_url=url + "/v1",
        api_key=KEY,
        max_retries=1,
        timeout=GIVES_UP_S,
        default_headers=NAMED,
    ) as sdk:
        if not stream:
            await sdk.chat.completions.create(model=OPENAI.model, messages=GPT_SAYS)
            return
        async for _ in await sdk.chat.completions.create(
            model=OPENAI.model, messages=GPT_SAYS, stream=True
        ):
            pass


@dataclass(frozen=True)
class Asker:
    """An SDK that gives up soon, asked for a stream or not."""

    speech: Speech
    ask: Callable[..., Awaitable[None]]

    def __str__(self) -> str:
        """For test ids."""
        return str(self.speech)

    async def __call__(self, url: str) -> None:
        """Ask."""
        await self.ask(url, stream=self.speech.stream)


ASKERS = [
    Asker(replace(speech, stream=stream), ask)
    for speech, ask in ((ANTHROPIC, claude), (OPENAI, gpt))
    for stream in (False, True)
]


async def queue_up(
    here: Held, other: Agent, speech: Speech, ahead: int, *names: str
) -> list[asyncio.Task[Answer]]:
    """Calls of the same agent, each behind the one before it."""
    calls = []
    for place, name in enumerate(names, start=ahead + 1):
        calls.append(
            asyncio.ensure_future(
                other.say(speech, extra={"x-sim-client": name}, prompt=f"I am {name}.")
            )
        )
        await here.waiting(speech, place)
    return calls


def order(provider: RunningSimulator) -> list[str]:
    return [one.client for one in provider.state.ledger.log]


@pytest.mark.parametrize("sdk", ASKERS, ids=str)
async def test_an_sdk_that_gave_up_waiting_takes_the_place_of_its_first_try(
    provider: RunningSimulator, store_url: str, sdk: Asker
) -> None:
    """Those who came between its two tries are served after it."""
    provider.state.reset()
    async with (
        held(provider.url, store_url, limits=ONE, hold_s=60.0) as here,
        agent(here.gateway_url) as other,
    ):
        first = asyncio.ensure_future(sdk(here.url))
        await here.waiting(sdk.speech, 1)
        others = await queue_up(here, other, sdk.speech, 1, "second", "third")
        await until(lambda: RETRY in here.wire.asked, "a retry of the SDK")
        await here.waiting(sdk.speech, 3)
        here.open()
        await first
        assert {one.status for one in await asyncio.gather(*others)} == {200}
    assert order(provider) == ["first", "second", "third"]
    assert provider.state.ledger.log[0].retry == 1


@pytest.mark.parametrize("retry_count", ["0", "1"])
async def test_only_who_says_so_is_a_retry(
    provider: RunningSimulator, store_url: str, retry_count: str
) -> None:
    """The same words said again are a new call, unless the SDK counts a retry."""
    provider.state.reset()
    async with (
        held(provider.url, store_url, limits=ONE) as here,
        agent(here.gateway_url) as other,
    ):
        (given_up,) = await queue_up(here, other, ANTHROPIC, 0, "first")
        others = await queue_up(here, other, ANTHROPIC, 1, "second")
        given_up.cancel()
        await here.waiting(ANTHROPIC, 1)
        again = asyncio.ensure_future(
            other.say(
                ANTHROPIC,
                prompt="I am first.",
                extra={"x-sim-client": "first", "x-stainless-retry-count": retry_count},
            )
        )
        await here.waiting(ANTHROPIC, 2)
        here.open()
        await asyncio.gather(again, *others)
    expected = ["first", "second"] if retry_count == "1" else ["second", "first"]
    assert order(provider) == expected


@pytest.mark.parametrize("change", ["agent", "words"])
async def test_nobody_takes_the_place_of_another_call(
    provider: RunningSimulator, store_url: str, change: str
) -> None:
    """Another agent's same words, or the same agent's other words, are no retry of it."""
    provider.state.reset()
    async with (
        held(provider.url, store_url, limits=ONE) as here,
        agent(here.gateway_url) as alice,
    ):
        (given_up,) = await queue_up(here, alice, ANTHROPIC, 0, "first")
        others = await queue_up(here, alice, ANTHROPIC, 1, "second")
        given_up.cancel()
        await here.waiting(ANTHROPIC, 1)
        someone = alice.as_bob() if change == "agent" else alice
        liar = asyncio.ensure_future(
            someone.say(
                ANTHROPIC,
                prompt="I am first." if change == "agent" else "I am another.",
                extra={"x-sim-client": "liar", "x-stainless-retry-count": "1"},
            )
        )
        await here.waiting(ANTHROPIC, 2)
        here.open()
        await asyncio.gather(liar, *others)
    assert order(provider) == ["second", "liar"]


@pytest.mark.parametrize("sdk", ASKERS[::2], ids=str)
async def test_a_call_that_reached_the_provider_is_not_joined(
    provider: RunningSimulator, store_url: str, sdk: Asker
) -> None:
    """It is cancelled there, and its retry is a new call behind those who wait."""
    provider.state.reset()
    provider.state.faults.set(
        [
            FaultRule(kind="hang", client="first", after_chunks=-1, count=1),
            FaultRule(kind="delay", client="second", delay_s=1.0),
        ]
    )
    async with (
        held(provider.url, store_url, limits=ONE) as here,
        agent(here.gateway_url) as other,
    ):
        here.open()
        first = asyncio.ensure_future(sdk(here.url))
        await until(lambda: provider.state.ledger.in_flight == 1, "a call at the provider")
        others = await queue_up(here, other, sdk.speech, 0, "second", "third")
        await until(lambda: RETRY in here.wire.asked, "a retry of the SDK")
        await here.waiting(sdk.speech, 2)
        await first
        assert {one.status for one in await asyncio.gather(*others)} == {200}
    log = provider.state.ledger.log
    assert order(provider) == ["first", "second", "third", "first"]
    assert [(one.finish, one.retry) for one in log][::3] == [("gone", 0), ("whole", 1)]
