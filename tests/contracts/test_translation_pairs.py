"""Every caller's format with every other dialect's provider: what was asked is what is answered.

The same is asked of the target straight, in its own format; texts, calls and token counts must be
equal. The simulated model answers by the last text and the number of turns, so that this shows
that the conversation arrived as it was meant.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import anthropic
import openai
import pytest
import pytest_asyncio
from google.genai import errors as google_errors

from gateway.domain.call import Dialect
from gateway.domain.topology import Lane, Provider
from gateway.domain.translating import TranslatedApi
from gateway.simulator import FaultRule, RunningSimulator, start_simulator
from tests.contracts.speakers import SPEAKERS, Ask, Told
from tests.fixtures.gateway import KEY, gateway_settings, running_gateway
from tests.fixtures.simulator import UNLIMITED
from tests.fixtures.valkey import ValkeyProcess

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLAUDE, GPT, THINKER, GEMINI = "claude-sonnet-5", "gpt-4o-mini", "gpt-5-mini", "gemini-3.5-flash"
OWN = {CLAUDE: "anthropic", GPT: "chat", THINKER: "responses", GEMINI: "gemini"}
"""Each model's own format here: the provider of THINKER is called at the Responses API."""
DIALECTS = {"anthropic": "anthropic", "chat": "openai", "responses": "openai", "gemini": "gemini"}
PAIRS = [
    (caller, model)
    for caller in SPEAKERS
    for model, own in OWN.items()
    if DIALECTS[caller] != DIALECTS[own]
]
ERRORS = (anthropic.APIStatusError, openai.APIError, google_errors.APIError)


@dataclass
class Ground:
    """One simulator and one gateway for all tests here."""

    simulator: RunningSimulator
    speakers: dict[str, Any]
    straight: dict[str, Any]

    async def ask(self, caller: str, ask: Ask, how: str = "whole") -> Told:
        """Ask through the gateway."""
        found: Told = await asyncio.to_thread(getattr(self.speakers[caller], how), ask)
        return found

    async def told_straight(self, ask: Ask) -> Told:
        """Ask the model in its own format, without a gateway."""
        found: Told = await asyncio.to_thread(self.straight[OWN[ask.model]].whole, ask)
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(valkey_server: ValkeyProcess) -> AsyncIterator[Ground]:
    valkey_server.flush()
    async with start_simulator(replace(UNLIMITED, mean_output_tokens=40)) as simulator:
        settings = gateway_settings(simulator.url)
        topology = settings.topology
        thinker = Provider(
            "thinker",
            Dialect.OPENAI,
            f"{simulator.url}/v1",
            api_key=topology.providers["openai"].api_key,
            translated_api=TranslatedApi.RESPONSES,
        )
        lane = Lane("thinking", "thinker", ("gpt-5*",), charges_max_output=True)
        topology = replace(
            topology,
            providers={**topology.providers, "thinker": thinker},
            lanes={**topology.lanes, "thinking": lane},
        )
        settings = replace(settings, topology=topology)
        async with running_gateway(settings, valkey_server.url) as gateway:
            keys = UNLIMITED.keys
            ground = Ground(
                simulator,
                {name: make(gateway.url, KEY) for name, make in SPEAKERS.items()},
                {
                    name: make(simulator.url, keys[DIALECTS[name]])
                    for name, make in SPEAKERS.items()
                },
            )
            try:
                yield ground
            finally:
                for speaker in (*ground.speakers.values(), *ground.straight.values()):
                    speaker.sdk.close()


def check(told: Told, straight: Told) -> None:
    """Equal but for ids; the prompt's tokens nearly, since JSON around it may be written longer."""

    def bare(one: Told) -> Told:
        calls = tuple(("", name, args) for _, name, args in one.calls)
        return replace(one, calls=calls, usage=(0, one.usage[1]))

    assert bare(told) == bare(straight)
    assert abs(told.usage[0] - straight.usage[0]) < 25


SCENARIOS = {
    "text": {},
    "image": {"image": True},
    "tool": {"text": "use tool get_weather", "tools": ("get_weather",)},
    "parallel": {
        "text": "use tool get_weather and use tool get_time [[output=5]]",
        "tools": ("get_weather", "get_time"),
    },
    "forced": {"tools": ("get_weather", "get_time"), "force": "get_time", "text": "hello"},
    "any": {"tools": ("get_weather",), "force": "any", "text": "hello"},
    "schema": {"schema": True, "text": "hello"},
    "cut": {"most": 20, "text": "hello [[output=100]]"},
    "alphabets": {"text": "Grüße, 世界 \U0001f680 \u2028 \\u00e9 [[output=9]]"},
}


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize(("caller", "model"), PAIRS)
async def test_the_answer_is_the_one_that_the_model_gives_straight(
    ground: Ground, caller: str, model: str, name: str
) -> None:
    ask = Ask(model, **SCENARIOS[name])  # type: ignore[arg-type]
    straight = await ground.told_straight(ask)
    ground.simulator.state.reset()
    whole = await ground.ask(caller, ask)
    check(whole, straight)
    assert whole.headers.get("x-gateway-model", model) == model
    ground.simulator.state.reset()
    if name == "cut" and DIALECTS[caller] == "openai":  # its helpers raise for a cut answer
        assert len(await asyncio.to_thread(ground.speakers[caller].events, ask)) > 1
        return
    streamed = await ground.ask(caller, ask, "stream")
    check(streamed, straight)


@pytest.mark.parametrize(("caller", "model"), PAIRS)
async def test_tool_results_go_back_and_every_event_is_valid(
    ground: Ground, caller: str, model: str
) -> None:
    ask = Ask(model, **SCENARIOS["parallel"])  # type: ignore[arg-type]
    asked = await ground.ask(caller, ask, "stream")
    assert len({call_id for call_id, _, _ in asked.calls}) == 2
    after = replace(ask, history=(asked,))
    straight = await ground.told_straight(after)
    ground.simulator.state.reset()
    check(await ground.ask(caller, after), straight)
    assert straight.finish == "stop"
    for one in (ask, after):
        assert len(await asyncio.to_thread(ground.speakers[caller].events, one)) > 1


@pytest.mark.parametrize(("caller", "model"), [one for one in PAIRS if one[0] != "responses"])
async def test_stop_sequences(ground: Ground, caller: str, model: str) -> None:
    ask = Ask(model, "hello [[output=300]]", stop=("zz", "ember"))
    if model == THINKER:
        raised = await _raised(ground, caller, ask)
        assert "stop" in str(raised).lower()
        return
    told = await ground.ask(caller, ask)
    assert "ember" not in told.text
    assert told.usage[1] < 300
    assert told.finish in {"stop", "stop_sequence"}


async def _raised(ground: Ground, caller: str, ask: Ask, how: str = "whole") -> Any:
    with pytest.raises(ERRORS) as caught:
        await ground.ask(caller, ask, how)
    return caught.value


def _status(error: Any) -> int:
    found: int = getattr(error, "status_code", None) or error.code
    return found


FAULTS = [
    (FaultRule("status", count=1, status=400), 400),
    (FaultRule("status", count=1, status=403), 403),
    (FaultRule("status", count=1, status=404), 404),
    (FaultRule("status", count=1, status=500), 500),
]


@pytest.mark.parametrize(("caller", "model"), PAIRS)
async def test_errors_of_the_provider_are_the_callers_own_typed_ones(
    ground: Ground, caller: str, model: str
) -> None:
    for rule, status in FAULTS:
        for how in ("whole", "stream"):
            ground.simulator.state.faults.set([rule])
            raised = await _raised(ground, caller, Ask(model), how)
            assert _status(raised) == status, (rule, how)
    ground.simulator.state.faults.set([FaultRule("status", count=1, variant="overloaded")])
    raised = await _raised(ground, caller, Ask(model))
    assert _status(raised) == (529 if caller == "anthropic" else 503)
    ground.simulator.state.reset()


@pytest.mark.parametrize(("caller", "model"), PAIRS)
async def test_an_error_inside_a_stream_is_raised(ground: Ground, caller: str, model: str) -> None:
    rule = FaultRule("error_event", count=1, variant="overloaded", after_chunks=2)
    cut = FaultRule("cut", count=1, how="end", after_chunks=2)
    for one in (rule, cut):
        ground.simulator.state.faults.set([one])
        with pytest.raises(ERRORS):
            await asyncio.to_thread(
                ground.speakers[caller].events, Ask(model, "hello [[output=90]]")
            )
    ground.simulator.state.reset()
