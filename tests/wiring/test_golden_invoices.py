"""Invoices worked out by hand from the providers' price pages (provider-facts A6, B6, B12).

Each row is an answer as its provider writes it, and the bill as arithmetic: tokens times dollars
per million tokens, which are micro-dollars. Every row is read streamed and whole, through the tap
of its dialect, and priced with the bundled price list and the gateway's own corrections.
"""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal

import pytest

from gateway.dialects import sse
from gateway.dialects.registry import CODECS
from gateway.domain.call import CallFacts, Dialect, Endpoint, Matched
from gateway.domain.topology import Provider
from gateway.domain.usage import Usage
from gateway.wiring.prices import Prices

A, OA, G = Dialect.ANTHROPIC, Dialect.OPENAI, Dialect.GEMINI
MESSAGES, CHAT, RESPONSES, GENERATE, EMBED = (
    Endpoint.MESSAGES,
    Endpoint.CHAT,
    Endpoint.RESPONSES,
    Endpoint.GENERATE,
    Endpoint.EMBEDDINGS,
)
ADDRESSES = {
    A: "https://api.anthropic.com",
    OA: "https://api.openai.com/v1",
    G: "https://generativelanguage.googleapis.com",
}
PRICES = Prices()
NOV = "2026-11-24"


@dataclass(frozen=True)
class Invoice:
    """One bill: what the provider says was used, and what that costs by its page.

    Attributes:
        bill: Micro-dollars, before they are rounded up.
        more: Fields of the answer beside its usage; `header` is the tier header.
    """

    model: str
    dialect: Dialect
    endpoint: Endpoint
    usage: dict[str, object]
    bill: float
    on: str = NOV
    more: dict[str, object] = field(default_factory=dict)
    stream: bool = True

    def __str__(self) -> str:
        return f"{self.model}-{self.bill:g}"


def _claude(model: str, bill: float, on: str = NOV, /, **usage: object) -> Invoice:
    return Invoice(model, A, MESSAGES, {"input_tokens": 0, "output_tokens": 0, **usage}, bill, on)


def _wrote(minutes: int, hour: int) -> dict[str, object]:
    split = {"ephemeral_5m_input_tokens": minutes, "ephemeral_1h_input_tokens": hour}
    return {"cache_creation_input_tokens": minutes + hour, "cache_creation": split}


def _gpt(model: str, bill: float, tier: str = "default", /, **usage: object) -> Invoice:
    return Invoice(model, OA, RESPONSES, usage, bill, more={"service_tier": tier})


def _gpt_in(tokens: int, cached: int = 0, short: int = 0, long: int = 0) -> dict[str, object]:
    lifetimes = {"ttl_30m_tokens": short, "ttl_12h_tokens": long}
    details = {
        "cached_tokens": cached,
        "cache_write_tokens": short + long,
        "cache_write_tokens_details": lifetimes,
    }
    return {"input_tokens": tokens, "input_tokens_details": details}


def _chat(model: str, bill: float, tier: str = "default", /, **usage: object) -> Invoice:
    return Invoice(model, OA, CHAT, usage, bill, more={"service_tier": tier})


def _gemini(model: str, bill: float, on: str = NOV, tier: str = "", **usage: object) -> Invoice:
    return Invoice(model, G, GENERATE, usage, bill, on, {"header": tier})


def _run(kind: str, model: str, tokens_in: int, tokens_out: int) -> dict[str, object]:
    return {"type": kind, "model": model, "input_tokens": tokens_in, "output_tokens": tokens_out,
            "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}  # fmt: skip


CLAUDE = [
    # A6: Sonnet 4.5 $3 / $15.
    _claude("claude-sonnet-4-5", 1_000 * 3 + 2_000 * 15, input_tokens=1_000, output_tokens=2_000),
    # Its prompts over 200,000 tokens cost double, output half as much again (list of 2025-08).
    _claude("claude-sonnet-4-5", 200_000 * 3 + 10 * 15, input_tokens=200_000, output_tokens=10),
    _claude("claude-sonnet-4-5", 200_001 * 6 + 10 * 22.5, input_tokens=200_001, output_tokens=10),
    # From 4.6 on there is no surcharge.
    _claude("claude-sonnet-4-6", 300_000 * 3 + 10 * 15, input_tokens=300_000, output_tokens=10),
    # Haiku 4.5 $1 / $5, reads $0.10, writes $1.25 for 5 minutes and $2 for an hour.
    _claude("claude-haiku-4-5-20251001",
            100 * 1 + 50_000 * 0.1 + 8_000 * 1.25 + 2_000 * 2 + 300 * 5,
            input_tokens=100, cache_read_input_tokens=50_000, output_tokens=300,
            **_wrote(8_000, 2_000)),
    # Opus 5 $5 / $25, writes $6.25 and $10, reads $0.50; thinking is part of output, once.
    _claude("claude-opus-5", 10 * 5 + 400 * 6.25 + 20_000 * 0.5 + 900 * 25,
            input_tokens=10, cache_read_input_tokens=20_000, output_tokens=900,
            output_tokens_details={"thinking_tokens": 700}, **_wrote(400, 0)),
    # Opus 5.5 and Fable read at a twentieth and a fortieth.
    _claude("claude-opus-5-5", 1_000_000 * 0.2 + 100 * 20, cache_read_input_tokens=1_000_000,
            output_tokens=100),
    _claude("claude-fable-5-1", 1_000_000 * 0.25 + 1_000 * 50, cache_read_input_tokens=1_000_000,
            output_tokens=1_000),
    _claude("claude-fable-5-2", 500 * 8 + 400 * 16 + 40 * 40, input_tokens=500, output_tokens=40,
            **_wrote(0, 400)),
    # Not on the published list: Mythos 5.1 as Fable 5.1.
    _claude("claude-mythos-5-1", 1_000 * 10 + 100 * 50, input_tokens=1_000, output_tokens=100),
    # Sonnet 5.5 reads: $0.20 until 6 October 2026, $0.10 from the 7th.
    _claude("claude-sonnet-5-5", 10_000 * 0.2, "2026-10-06", cache_read_input_tokens=10_000),
    _claude("claude-sonnet-5-5", 10_000 * 0.1, "2026-10-07", cache_read_input_tokens=10_000),
    # Haiku 5.5: dear above 100,000 tokens of prompt, cached ones included.
    _claude("claude-haiku-5-5", 40_000 * 0.1 + 50_000 * 0.01 + 10_000 * 0.125,
            input_tokens=40_000, cache_read_input_tokens=50_000, **_wrote(10_000, 0)),
    _claude("claude-haiku-5-5", 40_001 * 0.5 + 50_000 * 0.05 + 10_000 * 0.625 + 10 * 2.5,
            input_tokens=40_001, cache_read_input_tokens=50_000, output_tokens=10,
            **_wrote(10_000, 0)),
    # Written for an hour in a long prompt: $1.00; and the same as a batch, half of all.
    _claude("claude-haiku-5-5", 100_000 * 0.5 + 1_000 * 1.0 + 10 * 2.5, input_tokens=100_000,
            output_tokens=10, **_wrote(0, 1_000)),
    _claude("claude-haiku-5-5", (100_000 * 0.5 + 1_000 * 1.0 + 10 * 2.5) / 2, input_tokens=100_000,
            output_tokens=10, service_tier="batch", **_wrote(0, 1_000)),
    # Batch is half, reads and writes included.
    _claude("claude-opus-5", (1_000 * 5 + 2_000 * 0.5 + 400 * 6.25 + 1_000 * 25) / 2,
            input_tokens=1_000, cache_read_input_tokens=2_000, output_tokens=1_000,
            service_tier="batch", **_wrote(400, 0)),
    # Fast mode of Opus 5: $10 / $50, reads $1.
    _claude("claude-opus-5", 1_000 * 10 + 2_000 * 1 + 100 * 50, input_tokens=1_000,
            cache_read_input_tokens=2_000, output_tokens=100, speed="fast"),
    # Fast, in the US, written for an hour: twice the rates, 1.1 times.
    _claude("claude-opus-5", (1_000 * 10 + 500 * 20 + 100 * 50) * 1.1, input_tokens=1_000,
            output_tokens=100, speed="fast", inference_geo="us", **_wrote(0, 500)),
    # Kept in the US: 1.1 times; web searches $10 per thousand, not multiplied.
    _claude("claude-sonnet-5", (1_000 * 2 + 100 * 10) * 1.1 + 3 * 10_000, input_tokens=1_000,
            output_tokens=100, inference_geo="us", server_tool_use={"web_search_requests": 3}),
    # An advisor bills its own model beside the totals: Sonnet 5, and Opus 5 asked once.
    _claude("claude-sonnet-5", (1_000 * 2 + 100 * 10) + (400 * 5 + 50 * 25), input_tokens=1_000,
            output_tokens=100, iterations=[_run("message", "claude-sonnet-5", 1_000, 100),
                                           _run("advisor_message", "claude-opus-5", 400, 50)]),
    # A fallback: Opus 5 declined (within the totals), Sonnet 5 answered.
    _claude("claude-opus-5", (600 * 5 + 5 * 25) + (600 * 2 + 300 * 10), input_tokens=1_200,
            output_tokens=305, iterations=[_run("message", "claude-opus-5", 600, 5),
                                           _run("fallback_message", "claude-sonnet-5", 600, 300)]),
]  # fmt: skip

GPT = [
    # B6: gpt-4o $2.50 / $1.25 / $10; the prompt includes what was cached.
    _chat("gpt-4o-2024-08-06", 1_000 * 2.5 + 3_000 * 1.25 + 500 * 10, prompt_tokens=4_000,
          completion_tokens=500, prompt_tokens_details={"cached_tokens": 3_000}),
    # gpt-5 $1.25 / $10: reasoning is part of the output, once.
    _chat("gpt-5", 1_000 * 1.25 + 800 * 10, prompt_tokens=1_000, completion_tokens=800,
          completion_tokens_details={"reasoning_tokens": 700}),
    # gpt-5.6 (promotion) $4 / $0.40 / $20; written for 30 min 1.25, for 12 h 2.5 times the input.
    _gpt("gpt-5.6", 100 * 4 + 500 * 0.4 + 1_000 * 5 + 1_000 * 10 + 10 * 20,
         **_gpt_in(2_600, 500, 1_000, 1_000), output_tokens=10),
    # gpt-5.4 $2.50 / $15: 272,000 is not long, one token more doubles the whole input.
    _gpt("gpt-5.4", 272_000 * 2.5 + 1_000 * 15, **_gpt_in(272_000), output_tokens=1_000),
    _gpt("gpt-5.4", 272_001 * 5 + 1_000 * 22.5, **_gpt_in(272_001), output_tokens=1_000),
    # Cached and written tokens count for the length, and double as well.
    _gpt("gpt-6-sol", 100_000 * 4 + 100_000 * 0.4 + 80_000 * 5 + 100 * 15,
         **_gpt_in(280_000, 100_000, 80_000), output_tokens=100),
    # Priority in a long prompt, with all lifetimes: twice, and twice again (output 1.5 times).
    _gpt("gpt-5.6", 170_000 * 16 + 100_000 * 1.6 + 2_000 * 20 + 1_000 * 40 + 100 * 60, "priority",
         **_gpt_in(273_000, 100_000, 2_000, 1_000), output_tokens=100),
    _gpt("gpt-6-luna", (172_001 * 0.2 + 100_000 * 0.02 + 100 * 0.75) / 2, "flex",
         **_gpt_in(272_001, 100_000), output_tokens=100),
    # gpt-5.4-mini has no long context.
    _gpt("gpt-5.4-mini", 300_000 * 0.75, **_gpt_in(300_000)),
    # The tier that was served is billed: flex half; priority 2.5 times (5.5), 1.75 times (4.1).
    _gpt("gpt-5.4", (1_000 * 2.5 + 100 * 15) / 2, "flex", **_gpt_in(1_000), output_tokens=100),
    _gpt("gpt-5.5", (1_000 * 5 + 10 * 30) * 2.5, "priority", **_gpt_in(1_000), output_tokens=10),
    _chat("gpt-4.1", 1_000 * 3.5 + 1_000 * 0.875 + 10 * 14, "priority", prompt_tokens=2_000,
          completion_tokens=10, prompt_tokens_details={"cached_tokens": 1_000}),
    # gpt-audio: text $2.50 / $10, audio $32 / $64 (price page by way of the list).
    _chat("gpt-audio", 400 * 2.5 + 600 * 32 + 50 * 10 + 200 * 64, prompt_tokens=1_000,
          completion_tokens=250, prompt_tokens_details={"audio_tokens": 600},
          completion_tokens_details={"audio_tokens": 200}),
    _gpt("gpt-6.1-terra", 900 * 1 + 100 * 0.05 + 50 * 5, **_gpt_in(1_000, 100), output_tokens=50),
    Invoice("text-embedding-3-small", OA, EMBED, {"prompt_tokens": 10_000, "total_tokens": 10_000},
            10_000 * 0.02, stream=False),
]  # fmt: skip

GEMINI = [
    # B12: gemini-4-argon $2 / $0.10 / $10, doubled from 1 December 2026.
    _gemini("gemini-4-argon", 1_000 * 2 + 1_000 * 0.1 + 100 * 10, "2026-11-30",
            promptTokenCount=2_000, cachedContentTokenCount=1_000, candidatesTokenCount=100),
    _gemini("gemini-4-argon", 1_000 * 4 + 1_000 * 0.2 + 100 * 20, "2026-12-01",
            promptTokenCount=2_000, cachedContentTokenCount=1_000, candidatesTokenCount=100),
    _gemini("gemini-3.7-flash", 1_000 * 0.75 + 1_000 * 3.75, "2026-12-31", promptTokenCount=1_000,
            candidatesTokenCount=1_000),
    _gemini("gemini-3.7-flash", 1_000 * 1.5 + 1_000 * 7.5, "2027-01-01", promptTokenCount=1_000,
            candidatesTokenCount=1_000),
    # Thoughts are billed as output and stand beside the candidates; tools' prompts are input.
    _gemini("gemini-2.5-flash", (1_000 + 50) * 0.3 + (200 + 700) * 2.5, promptTokenCount=1_000,
            candidatesTokenCount=200, thoughtsTokenCount=700, toolUsePromptTokenCount=50),
    # 3.1 Pro over 200,000, cached included: $4 / $0.40 / $18.
    _gemini("gemini-3.1-pro-preview", 100_000 * 2 + 100_000 * 0.2 + 1_000 * 12,
            promptTokenCount=200_000, cachedContentTokenCount=100_000, candidatesTokenCount=1_000),
    _gemini("gemini-3.1-pro-preview", 100_001 * 4 + 100_000 * 0.4 + 1_000 * 18,
            promptTokenCount=200_001, cachedContentTokenCount=100_000, candidatesTokenCount=1_000),
    # The served tier stands in a header: priority 1.8 times, flex half.
    _gemini("gemini-2.5-flash-001", (1_000 * 0.3 + 200 * 2.5) * 1.8, tier="PRIORITY",
            promptTokenCount=1_000, candidatesTokenCount=200),
    _gemini("gemini-2.5-pro", (1_000 * 1.25 + 200 * 10) / 2, tier="flex", promptTokenCount=1_000,
            candidatesTokenCount=200),
    # A long prompt at the flex tier: half of the long rates.
    _gemini("gemini-2.5-pro", (100_001 * 2.5 + 100_000 * 0.25 + 200 * 15) / 2, tier="flex",
            promptTokenCount=200_001, cachedContentTokenCount=100_000, candidatesTokenCount=200),
    _gemini("gemini-3.1-pro-preview", (1_000 * 2 + 500 * 0.2 + 300 * 12) * 1.8, tier="priority",
            promptTokenCount=1_500, cachedContentTokenCount=500, candidatesTokenCount=100,
            thoughtsTokenCount=200),
    # Audio in is $1 and not $0.30; of the cached part none was audio.
    _gemini("gemini-2.5-flash", 400 * 0.3 + 500 * 1 + 100 * 0.03 + 10 * 2.5,
            promptTokenCount=1_000, cachedContentTokenCount=100, candidatesTokenCount=10,
            promptTokensDetails=[{"modality": "TEXT", "tokenCount": 500},
                                 {"modality": "AUDIO", "tokenCount": 500}]),
    _gemini("gemini-3.1-flash-lite", 200 * 0.5 + 800 * 0.25, promptTokenCount=1_000,
            promptTokensDetails=[{"modality": "AUDIO", "tokenCount": 200}]),
    # Only the corrections know it.
    _gemini("gemini-4-hydrogen", 1_000 * 1.5 + 100 * 7.5, promptTokenCount=1_000,
            candidatesTokenCount=100),
]  # fmt: skip

INVOICES = [*CLAUDE, *GPT, *GEMINI]


def _events(one: Invoice) -> list[tuple[str, dict[str, object]]]:
    """The answer as a stream: name and data of each event."""
    if one.dialect is A:
        start = {"model": one.model, "usage": {**one.usage, "output_tokens": 1}}
        return [
            ("message_start", {"type": "message_start", "message": start}),
            ("message_delta", {"type": "message_delta", "delta": {}, "usage": one.usage}),
            ("message_stop", {"type": "message_stop"}),
        ]
    if one.endpoint is RESPONSES:
        response = {"model": one.model, "usage": one.usage, **one.more}
        return [
            ("response.created", {"type": "response.created", "response": {"model": one.model}}),
            ("response.completed", {"type": "response.completed", "response": response}),
        ]
    if one.endpoint is CHAT:
        return [("", {"model": one.model, "choices": [], "usage": one.usage, **one.more})]
    half = {**one.usage, "candidatesTokenCount": 1}
    done = [{"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"}]
    return [
        ("", {"candidates": [], "usageMetadata": half}),
        ("", {"candidates": done, "usageMetadata": one.usage, "modelVersion": one.model}),
    ]


def _whole(one: Invoice) -> dict[str, object]:
    name = "usageMetadata" if one.dialect is G else "usage"
    model = "modelVersion" if one.dialect is G else "model"
    return {model: one.model, name: one.usage, **one.more}


def _read(one: Invoice, *, stream: bool) -> tuple[str, Usage]:
    codec = CODECS[one.dialect]
    facts = CallFacts(one.model, stream=stream)
    matched = Matched(one.endpoint, one.model, stream=stream, events=stream)
    kind = "text/event-stream" if stream else "application/json"
    tap = codec.tap(matched, facts, kind)
    if stream:
        for name, data in _events(one):
            tap.feed(sse.encode(json.dumps(data).encode(), name))
    else:
        tap.feed(json.dumps(_whole(one)).encode())
    tap.finish()
    assert tap.usage is not None
    header = [(b"x-gemini-service-tier", str(one.more.get("header", "")).encode())]
    usage = tap.usage
    if not usage.service_tier:
        usage = replace(usage, service_tier=codec.served_tier(header))
    return tap.model, usage


@pytest.mark.parametrize(
    ("one", "stream"),
    [(one, stream) for one in INVOICES for stream in (True, False) if one.stream or not stream],
    ids=lambda value: str(value) if isinstance(value, Invoice) else ("whole", "streamed")[value],
)
def test_the_bill_is_the_one_worked_out_by_hand(one: Invoice, stream: bool) -> None:
    model, usage = _read(one, stream=stream)
    at_s = datetime.fromisoformat(one.on).replace(tzinfo=UTC).timestamp()
    provider = Provider("account", one.dialect, ADDRESSES[one.dialect])
    found = PRICES(provider, (model, one.model), usage, at_s)
    assert found.microusd == int(Decimal(f"{one.bill:.6f}").to_integral_value(ROUND_CEILING))
    assert found.priced


@pytest.mark.parametrize("model", ["gpt-99", "", "llama-3", "claude-opus-9"])
def test_an_unknown_model_costs_the_stated_default_and_is_flagged(model: str) -> None:
    at_s = datetime.fromisoformat(NOV).replace(tzinfo=UTC).timestamp()
    provider = Provider("local", OA, "http://127.0.0.1:8000/v1")
    found = PRICES(provider, (model,), Usage(1_000, output_tokens=1_000), at_s)
    assert (found.microusd, found.priced) == (1_000 * 5 + 1_000 * 25, False)
