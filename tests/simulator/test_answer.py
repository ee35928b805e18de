"""Answers follow from the conversation and the seed alone."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.answer import Ask, Finish, Kind, Segment, Tool, answer
from gateway.simulator.models import Catalogue, Model
from gateway.simulator.settings import SimulatorSettings
from gateway.simulator.tokenizer import count_tokens

SETTINGS = SimulatorSettings()


def model(name: str = "claude-sonnet-5") -> Model:
    found = Catalogue().find("anthropic", name)
    assert found is not None
    return found


def ask(text: str = "hello", **changes: object) -> Ask:
    return replace(Ask(model(), text, 1, 1000), **changes)  # type: ignore[arg-type]  # table-driven


WEATHER = Tool(
    "get_weather",
    {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "unit": {"type": "string", "enum": ["C", "F"]},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
    },
)


def test_the_same_question_gets_the_same_answer_and_another_one_another() -> None:
    assert answer(ask(), SETTINGS) == answer(ask(), SETTINGS)
    assert answer(ask(), SETTINGS) != answer(ask("other"), SETTINGS)
    assert answer(ask(), SETTINGS) != answer(ask(), replace(SETTINGS, seed=1))
    assert answer(ask(), SETTINGS) != answer(ask(turns=3), SETTINGS)


@pytest.mark.parametrize(
    ("text", "maximum", "tokens", "finish"),
    [
        ("[[output=350]]", 1000, 350, Finish.STOP),
        ("[[output=350]]", 350, 350, Finish.STOP),
        ("[[output=350]]", 100, 100, Finish.LENGTH),
        ("anything", 1, 1, Finish.LENGTH),
        ("anything", 0, 0, Finish.LENGTH),
    ],
)
def test_the_directive_sets_the_length_and_the_maximum_caps_it(
    text: str, maximum: int, tokens: int, finish: Finish
) -> None:
    result = answer(ask(text, max_tokens=maximum), SETTINGS)
    assert (result.tokens, result.finish) == (tokens, finish)


def test_thinking_comes_first_and_counts_as_output() -> None:
    text = "[[thinking=64]] [[output=20]]"
    result = answer(ask(text, thinking=True), SETTINGS)
    assert [(s.kind, s.tokens) for s in result.segments] == [(Kind.THINKING, 64), (Kind.TEXT, 20)]
    assert (result.tokens, result.thinking_tokens) == (84, 64)
    budgeted = answer(ask(text, thinking=True, thinking_budget=10), SETTINGS)
    assert budgeted.thinking_tokens == 10


@pytest.mark.parametrize(
    "wish", [{"last_text": "please use tool get_weather."}, {"forced": ("get_weather",)}]
)
def test_a_tool_is_called_when_named_or_forced_with_arguments_of_its_schema(
    wish: dict[str, object],
) -> None:
    result = answer(replace(ask(tools=[WEATHER]), **wish), SETTINGS)  # type: ignore[arg-type]  # table-driven
    assert result.finish is Finish.TOOLS
    (call,) = result.segments
    arguments = msgspec.json.decode(call.text)
    assert isinstance(arguments["city"], str)
    assert isinstance(arguments["days"], int)
    assert arguments["unit"] in {"C", "F"}
    assert isinstance(arguments["tags"], list)


def test_a_tool_that_is_not_offered_is_not_called() -> None:
    assert answer(ask("use tool get_weather"), SETTINGS).finish is not Finish.TOOLS


def test_a_stop_sequence_ends_the_text_before_it() -> None:
    result = answer(ask("[[output=400]]", stop=["ember"]), SETTINGS)
    assert result.finish is Finish.STOP_SEQUENCE
    assert result.stop_sequence == "ember"
    assert "ember" not in result.segments[0].text


@given(text=st.text(max_size=40), maximum=st.integers(0, 3000), thinking=st.booleans())
def test_the_text_always_counts_as_the_tokens_reported(
    text: str, maximum: int, thinking: bool
) -> None:
    result = answer(ask(text, max_tokens=maximum, thinking=thinking), SETTINGS)
    assert result.tokens <= maximum
    for segment in result.segments:
        assert count_tokens(segment.text, model().ratio_milli) == segment.tokens


@given(tokens=st.integers(1, 500), size=st.integers(1, 2000), chunk=st.integers(1, 50))
def test_pieces_join_to_the_whole(tokens: int, size: int, chunk: int) -> None:
    pieces = Segment(Kind.TEXT, "x" * size, tokens).pieces(chunk)
    assert "".join(text for text, _ in pieces) == "x" * size
    assert sum(n for _, n in pieces) == tokens


def test_lengths_without_a_directive_have_about_the_mean_that_is_set() -> None:
    drawn = [answer(ask(str(i), max_tokens=10**6), SETTINGS).tokens for i in range(800)]
    assert 170 < sum(drawn) / len(drawn) < 230
