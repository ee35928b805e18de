"""Capabilities, housekeeping, the structural score and signs of trouble."""

from dataclasses import replace

import pytest

from gateway.core.routing.escalation import refused_by_provider, sign_of_trouble
from gateway.core.routing.housekeeping import Housekeeping, housekeeping
from gateway.core.routing.models import abilities, unmet
from gateway.core.routing.score import structural
from gateway.domain.call import CallFacts
from gateway.domain.outcome import ProviderVerdict
from gateway.domain.signals import Need, Signals, ToolUse

FACTS = CallFacts("m")
HAIKU, NANO = "claude-haiku-4-5-20251001", "gpt-4.1-nano"


@pytest.mark.parametrize(
    ("model", "needs", "tokens", "more", "lacks"),
    [
        (HAIKU, {Need.TOOLS, Need.PARALLEL_TOOLS, Need.VISION}, 1_000, {}, ""),
        (HAIKU, {Need.THINKING_ADAPTIVE}, 1_000, {}, "thinking_adaptive"),
        (HAIKU, {Need.SIGNATURES}, 1_000, {}, "signatures"),
        (HAIKU, set(), 200_001, {}, "context"),
        (HAIKU, set(), 1, {"betas": ["context-1m-2025-08-07"]}, "beta:context-1m-2025-08-07"),
        (HAIKU, set(), 1, {"betas": ["oauth-2025-04-20"]}, ""),
        (HAIKU, set(), 1, {"unknown": ["speed"]}, "field:speed"),
        (HAIKU, set(), 1, {"unknown": ["speed"], "can": ["field:speed"]}, ""),
        (HAIKU, set(), 1, {"unknown": ["x" * 999]}, "field:" + "x" * 74),
        (HAIKU, set(), 300_000, {"context_tokens": 400_000}, ""),
        (NANO, {Need.TOOLS}, 1, {}, ""),
        (NANO, {Need.TOOLS, Need.PARALLEL_TOOLS}, 1, {}, "parallel_tools"),
        ("qwen-local", set(), 1, {}, "model"),
        ("qwen-local", {Need.TOOLS}, 1, {"can": ["tools"], "context_tokens": 32_000}, ""),
        ("qwen-local", {Need.TOOLS}, 1, {"can": ["tools"]}, "context"),
        ("claude-opus-5-5", {Need.FORCED_TOOL}, 1, {}, "forced_tool"),
        ("claude-opus-5-5", {Need.THINKING_OFF}, 1, {}, "thinking_off"),
    ],
)
def test_what_is_not_known_a_model_cannot(
    model: str, needs: set[Need], tokens: int, more: dict[str, object], lacks: str
) -> None:
    assert unmet(model, needs, tokens, **more) == lacks  # type: ignore[arg-type]


def test_the_first_pattern_that_matches_counts() -> None:
    sonnet, newer = abilities("claude-sonnet-5"), abilities("claude-sonnet-5-5")
    assert sonnet is not None
    assert newer is not None
    assert (Need.FORCED_TOOL in sonnet.can, Need.FORCED_TOOL in newer.can) == (True, False)
    assert abilities("models/gemini-2.5-flash") == abilities("gemini-2.5-flash")


ONE_TOKEN = CallFacts("m", max_output_tokens=1)


@pytest.mark.parametrize(
    ("signals", "facts", "kind"),
    [
        # As Claude Code has sent them (provider-facts A9).
        (Signals(ask="quota"), ONE_TOKEN, Housekeeping.QUOTA),
        (Signals(ask="test"), ONE_TOKEN, Housekeeping.QUOTA),
        (Signals(ask="Warmup"), FACTS, Housekeeping.WARM_UP),
        (Signals(ask="fix it"), CallFacts("m", max_output_tokens=0), Housekeeping.WARM_UP),
        (Signals(system="Analyze if this message indicates a new conversation topic. If it does, "
                 "extract a 2-3 word title"), FACTS, Housekeeping.TOPIC),
        (Signals(system="Summarize this coding conversation in under 50 characters."), FACTS,
         Housekeeping.TITLE),
        (Signals(system="Generate a concise, sentence-case title (3-7 words) that captures the main "
                 "topic or goal of this coding session."), FACTS, Housekeeping.TITLE),
        (Signals(ask="[SUGGESTION MODE: Suggest what the user might type next]"), FACTS,
         Housekeeping.SUGGESTION),
        # OpenCode, Open WebUI, Gemini CLI
        (Signals(system="You are a title generator. You output ONLY a thread title."), FACTS,
         Housekeeping.TITLE),
        (Signals(ask="### Task:\nGenerate a concise, 3-5 word title with an emoji summarizing the "
                 "chat history."), FACTS, Housekeeping.TITLE),
        (Signals(ask="### Task:\nGenerate 1-3 broad tags categorizing the main themes"), FACTS,
         Housekeeping.TOPIC),
        (Signals(ask="Analyze only the content and structure of your immediately preceding response. "
                 "Decide who should speak next: 'user' or 'model'."), FACTS, Housekeeping.SUGGESTION),
        # An agent's own work, in which the words may stand, too
        (Signals(ask="Rename the title field of the session table and fix the tests."), FACTS, None),
        (Signals(ask="Why is the topic of the Kafka consumer empty?"), FACTS, None),
        (Signals(ask="test"), FACTS, None),
        (Signals(system="You are a title generator.", ask="x"), CallFacts("m", tools=20), None),
    ],
)  # fmt: skip
def test_what_clients_do_for_themselves_is_known_as_they_send_it(
    signals: Signals, facts: CallFacts, kind: Housekeeping | None
) -> None:
    assert housekeeping(signals, facts) is kind


def test_a_client_may_say_so_itself() -> None:
    streamed = CallFacts("m", stream=True)
    assert housekeeping(Signals(ask="x"), streamed, "auxiliary") is Housekeeping.AUXILIARY
    assert housekeeping(Signals(ask="may it run rm?"), FACTS, "auxiliary") is None


EASY = Signals(ask="What is a monad?", ask_bytes=16)


@pytest.mark.parametrize(
    ("harder", "facts"),
    [
        (replace(EASY, ask_bytes=9_000), FACTS),
        (replace(EASY, ask="fix the race in worker.py"), FACTS),
        (replace(EASY, ask="```\nx = 1\n```"), FACTS),
        (replace(EASY, ask="- a\n- b\n- c\n- d"), FACTS),
        (replace(EASY, turns=9), FACTS),
        (replace(EASY, tool_uses=(ToolUse(b"a"),)), FACTS),
        (replace(EASY, thinking=True), FACTS),
        (replace(EASY, plan_mode=True), FACTS),
        (replace(EASY, needs=frozenset({Need.VISION})), FACTS),
        (EASY, CallFacts("m", tools=8)),
        (EASY, CallFacts("m", max_output_tokens=30_000)),
    ],
)
def test_each_signal_makes_a_call_look_harder(harder: Signals, facts: CallFacts) -> None:
    easy = structural(EASY, FACTS)
    found = structural(harder, facts)
    assert easy.simplicity == 1.0
    assert 0.0 <= found.simplicity < easy.simplicity
    assert found.parts


def test_plan_mode_alone_is_enough_to_stay() -> None:
    assert structural(replace(EASY, plan_mode=True), FACTS).simplicity < 0.6


@pytest.mark.parametrize(
    ("signals", "sign"),
    [
        (Signals(tool_uses=(ToolUse(b"a"),) * 3), "repeated_tool_call"),
        (Signals(tool_uses=(ToolUse(b"a"), ToolUse(b"b"), ToolUse(b"a"))), ""),
        (Signals(tool_uses=(ToolUse(b"a"),) * 2), ""),
        (Signals(tool_uses=(ToolUse(b"a", sound=False),)), "malformed_arguments"),
        (Signals(tool_errors=1), "malformed_arguments"),
        (Signals(last_answer="I'm unable to run commands on your computer."), "refused_tool"),
        (Signals(last_answer="I cannot use the tool.", last_answer_used_tools=True), ""),
        (Signals(last_answer="I ran the tests."), ""),
    ],
)
def test_trouble_shows_in_what_the_agent_sends_back(signals: Signals, sign: str) -> None:
    assert sign_of_trouble(signals) == sign


@pytest.mark.parametrize(
    ("status", "verdict", "body", "sign"),
    [
        (400, ProviderVerdict.CALLER_ERROR, b"prompt is too long: 210000 tokens", "context_overflow"),
        (400, ProviderVerdict.CALLER_ERROR, b'{"code":"context_length_exceeded"}',
         "context_overflow"),
        (400, ProviderVerdict.CALLER_ERROR, b"adaptive thinking is not supported on this model",
         "capability_error"),
        (400, ProviderVerdict.CALLER_ERROR, b"messages: at least one message is required", ""),
        (429, ProviderVerdict.RATE_LIMITED, b"too many tokens", ""),
        (500, ProviderVerdict.PROVIDER_ERROR, b"not supported", ""),
    ],
)  # fmt: skip
def test_a_provider_s_error_tells_whether_another_model_can(
    status: int, verdict: ProviderVerdict, body: bytes, sign: str
) -> None:
    assert refused_by_provider(status, verdict, body) == sign
