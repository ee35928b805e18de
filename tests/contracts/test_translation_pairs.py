"""Every caller's format with every other dialect's provider: what was asked is what is answered.

The same is asked of the target straight, in its own format; texts, calls and token counts must be
equal. The simulated model answers by the last text and the number of turns, so that this shows
that the conversation arrived as it was meant.
"""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from gateway.simulator import FaultRule
from tests.contracts.speakers import Ask, Told
from tests.contracts.translated import DIALECTS, ERRORS, PAIRS, THINKER, Ground

pytestmark = pytest.mark.asyncio(loop_scope="module")


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
    "paper": {"paper": True},
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
    translated: Ground, caller: str, model: str, name: str
) -> None:
    ask = Ask(model, **SCENARIOS[name])  # type: ignore[arg-type]
    straight = await translated.told_straight(ask)
    translated.simulator.state.reset()
    whole = await translated.ask(caller, ask)
    check(whole, straight)
    assert whole.headers.get("x-gateway-model", model) == model
    translated.simulator.state.reset()
    if name == "cut" and DIALECTS[caller] == "openai":  # its helpers raise for a cut answer
        assert len(await asyncio.to_thread(translated.speakers[caller].events, ask)) > 1
        return
    streamed = await translated.ask(caller, ask, "stream")
    check(streamed, straight)


@pytest.mark.parametrize(("caller", "model"), PAIRS)
async def test_tool_results_go_back_and_every_event_is_valid(
    translated: Ground, caller: str, model: str
) -> None:
    ask = Ask(model, **SCENARIOS["parallel"])  # type: ignore[arg-type]
    asked = await translated.ask(caller, ask, "stream")
    assert len({call_id for call_id, _, _ in asked.calls}) == 2
    after = replace(ask, history=(asked,))
    straight = await translated.told_straight(after)
    translated.simulator.state.reset()
    check(await translated.ask(caller, after), straight)
    assert straight.finish == "stop"
    for one in (ask, after):
        assert len(await asyncio.to_thread(translated.speakers[caller].events, one)) > 1


@pytest.mark.parametrize(("caller", "model"), [one for one in PAIRS if one[0] != "responses"])
async def test_stop_sequences(translated: Ground, caller: str, model: str) -> None:
    ask = Ask(model, "hello [[output=300]]", stop=("zz", "ember"))
    if model == THINKER:
        raised = await _raised(translated, caller, ask)
        assert "stop" in str(raised).lower()
        return
    told = await translated.ask(caller, ask)
    assert "ember" not in told.text
    assert told.usage[1] < 300
    assert told.finish in {"stop", "stop_sequence"}


async def _raised(translated: Ground, caller: str, ask: Ask, how: str = "whole") -> Any:
    with pytest.raises(ERRORS) as caught:
        await translated.ask(caller, ask, how)
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
    translated: Ground, caller: str, model: str
) -> None:
    for rule, status in FAULTS:
        for how in ("whole", "stream"):
            translated.simulator.state.faults.set([rule])
            raised = await _raised(translated, caller, Ask(model), how)
            assert _status(raised) == status, (rule, how)
    translated.simulator.state.faults.set([FaultRule("status", count=1, variant="overloaded")])
    raised = await _raised(translated, caller, Ask(model))
    assert _status(raised) == (529 if caller == "anthropic" else 503)
    translated.simulator.state.reset()


@pytest.mark.parametrize(("caller", "model"), PAIRS)
async def test_an_error_inside_a_stream_is_raised(
    translated: Ground, caller: str, model: str
) -> None:
    rule = FaultRule("error_event", count=1, variant="overloaded", after_chunks=2)
    cut = FaultRule("cut", count=1, how="end", after_chunks=2)
    for one in (rule, cut):
        translated.simulator.state.faults.set([one])
        with pytest.raises(ERRORS):
            await asyncio.to_thread(
                translated.speakers[caller].events, Ask(model, "hello [[output=90]]")
            )
    translated.simulator.state.reset()
