"""Faults: which calls they hit, and what clients then see."""

import asyncio
from collections.abc import Callable
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from google.genai import errors as genai_errors

from gateway.simulator import FaultRule, RunningSimulator
from gateway.simulator.faults import FaultBook
from tests.simulator.test_enforcement import ANTHROPIC, GEMINI, OPENAI, user
from tests.simulator.test_gemini import MODEL as GEMINI_MODEL
from tests.simulator.test_gemini import client as gemini_client

MODEL = "claude-sonnet-4-6"
BODY: dict[str, Any] = {"model": MODEL, "max_tokens": 999, "messages": user("[[output=80]]")}


async def wait_until(condition: Callable[[], bool], what: str) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the state has no event to wait for
            await asyncio.sleep(0.005)
    assert condition(), what


def draws(rule: FaultRule, calls: int) -> list[bool]:
    book = FaultBook()
    book.set([rule])
    return [bool(book.draw("openai", "/v1/x", "gpt-4o", "", stream=True)) for _ in range(calls)]


@pytest.mark.parametrize(
    ("fields", "hits"),
    [
        ({}, [True] * 4),
        ({"count": 2}, [True, True, False, False]),
        ({"skip": 1, "count": 2}, [False, True, True, False]),
        ({"dialect": "gemini"}, [False] * 4),
        ({"model": "gpt-*"}, [True] * 4),
        ({"model": "o3*"}, [False] * 4),
        ({"path": "/v1/*", "stream": True}, [True] * 4),
        ({"stream": False}, [False] * 4),
        ({"client": "a"}, [False] * 4),
    ],
)
def test_a_rule_hits_the_calls_it_names(fields: dict[str, Any], hits: list[bool]) -> None:
    assert draws(FaultRule("status", **fields), 4) == hits


def test_a_probability_hits_its_share_and_a_seed_repeats_it() -> None:
    rule = FaultRule("status", probability=0.3, seed=7)
    hits = draws(rule, 1000)
    assert 250 < sum(hits) < 350
    assert hits == draws(rule, 1000)


@pytest.mark.parametrize(
    ("variant", "status", "kind", "code"),
    [
        ("", 500, "api_error", None),
        ("overloaded", 529, "overloaded_error", None),
        ("rate_limit", 429, "rate_limit_error", None),
        ("ramp", 429, "rate_limit_error", "ramp_limit_exceeded"),
        ("spend_cap", 429, "rate_limit_error", "enforced_spend_limit_reached"),
        ("billing", 402, "billing_error", None),
    ],
)
async def test_anthropic_errors_have_their_shape(
    simulator: RunningSimulator, variant: str, status: int, kind: str, code: str | None
) -> None:
    simulator.state.faults.set([FaultRule("status", variant=variant, count=1)])
    async with httpx2.AsyncClient(base_url=simulator.url, headers=ANTHROPIC) as h:
        found = await h.post("/v1/messages", json=BODY)
        assert (await h.post("/v1/messages", json=BODY)).status_code == 200
    error = found.json()["error"]
    assert (found.status_code, error["type"]) == (status, kind)
    assert error.get("details", {}).get("error_code") == code
    assert "retry-after" not in found.headers
    assert simulator.state.ledger.totals.limited_by == ({"fault": 1} if status == 429 else {})


@pytest.mark.parametrize(
    ("variant", "status", "code"),
    [
        ("rate_limit", 429, "rate_limit_exceeded"),
        ("slow_down", 429, "slow_down"),
        ("insufficient_quota", 429, "insufficient_quota"),
        ("spend_cap", 429, "organization_spend_limit_exceeded"),
        ("overloaded", 503, "server_is_overloaded"),
    ],
)
async def test_openai_errors_have_their_shape(
    simulator: RunningSimulator, variant: str, status: int, code: str
) -> None:
    simulator.state.faults.set([FaultRule("status", variant=variant, retry_after_s=2.5)])
    async with httpx2.AsyncClient(base_url=simulator.url, headers=OPENAI) as h:
        body = {"model": "gpt-4o", "messages": user("hi")}
        found = await h.post("/v1/chat/completions", json=body)
    assert (found.status_code, found.json()["error"]["code"]) == (status, code)
    assert found.headers["retry-after"] == "2.5"


@pytest.mark.parametrize(
    ("variant", "status", "kind", "details"),
    [
        ("rate_limit", 429, "RESOURCE_EXHAUSTED", 2),
        ("per_day", 429, "RESOURCE_EXHAUSTED", 2),
        ("spend_cap", 429, "RESOURCE_EXHAUSTED", 0),
        ("overloaded", 503, "UNAVAILABLE", 0),
    ],
)
async def test_gemini_errors_have_their_shape(
    simulator: RunningSimulator, variant: str, status: int, kind: str, details: int
) -> None:
    simulator.state.faults.set([FaultRule("status", variant=variant)])
    async with httpx2.AsyncClient(base_url=simulator.url, headers=GEMINI) as h:
        body = {"contents": [{"parts": [{"text": "hi"}]}]}
        found = await h.post(f"/v1beta/models/{GEMINI_MODEL}:generateContent", json=body)
    error = found.json()["error"]
    assert (found.status_code, error["status"]) == (status, kind)
    assert len(error.get("details", [])) == details


@pytest.mark.parametrize("how", ["reset", "close"])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_cut_answer_is_seen_as_cut_and_counted_as_wasted(
    simulator: RunningSimulator, how: Any, stream: bool
) -> None:
    simulator.state.faults.set([FaultRule("cut", after_chunks=3, how=how)])
    async with httpx2.AsyncClient(base_url=simulator.url, headers=ANTHROPIC) as h:
        with pytest.raises(httpx2.TransportError):
            await h.post("/v1/messages", json=BODY | {"stream": stream})
    state = simulator.state
    await wait_until(lambda: state.ledger.totals.cut == 1, "the cut is counted")
    (record,) = state.ledger.log
    assert (record.finish, record.whole) == ("cut", False)
    assert record.output_tokens == (24 if stream else 80)
    assert record.charged["output_tokens"] == record.output_tokens
    assert state.ledger.totals.useful.total == 0
    assert state.ledger.in_flight == 0


async def test_a_cut_before_the_head_sends_nothing(simulator: RunningSimulator) -> None:
    simulator.state.faults.set([FaultRule("cut", after_chunks=-1)])
    async with httpx2.AsyncClient(base_url=simulator.url, headers=ANTHROPIC) as h:
        with pytest.raises(httpx2.TransportError):
            await h.post("/v1/messages", json=BODY)
    await wait_until(lambda: simulator.state.ledger.totals.cut == 1, "the cut is counted")
    assert simulator.state.ledger.log[0].status == 0


async def test_a_stream_can_end_without_its_terminal_event(simulator: RunningSimulator) -> None:
    simulator.state.faults.set([FaultRule("cut", after_chunks=2, how="end")])
    async with httpx2.AsyncClient(base_url=simulator.url, headers=ANTHROPIC) as h:
        found = await h.post("/v1/messages", json=BODY | {"stream": True})
    assert found.text.count("event: content_block_delta") == 2
    assert "message_stop" not in found.text
    assert simulator.state.ledger.totals.cut == 1


@pytest.mark.parametrize("stream", [True, False])
async def test_garbage_breaks_the_clients_parser(simulator: RunningSimulator, stream: bool) -> None:
    simulator.state.faults.set([FaultRule("garbage", after_chunks=1)])
    async with httpx2.AsyncClient(base_url=simulator.url, headers=ANTHROPIC) as h:
        found = await h.post("/v1/messages", json=BODY | {"stream": stream})
    assert found.status_code == 200
    assert b"not json" in found.content
    assert simulator.state.ledger.totals.wasted == 1


async def test_an_error_event_inside_a_stream_is_raised_by_each_sdk(
    simulator: RunningSimulator,
) -> None:
    rule = FaultRule("error_event", variant="overloaded", after_chunks=1)
    simulator.state.faults.set([rule])
    async with anthropic.AsyncAnthropic(
        base_url=simulator.url, api_key="sim-anthropic-key", max_retries=0
    ) as a:
        with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
            async with a.messages.stream(**BODY) as stream:
                await stream.get_final_message()
    async with openai.AsyncOpenAI(
        base_url=simulator.openai_url, api_key="sim-openai-key", max_retries=0
    ) as o:
        with pytest.raises(openai.APIError, match="overloaded"):
            async for _ in await o.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": "hi"}], stream=True
            ):
                pass
        events = [
            event
            async for event in await o.responses.create(model="gpt-4o", input="hi", stream=True)
        ]
        assert events[-1].type == "response.failed"
    async with gemini_client(simulator) as g:
        with pytest.raises(genai_errors.ServerError, match="overloaded"):
            async for _ in await g.models.generate_content_stream(
                model=GEMINI_MODEL, contents="hi"
            ):
                pass
    assert simulator.state.ledger.totals.cut == 4


@pytest.mark.parametrize(
    ("fields", "reported"), [({"factor": 2.0}, 160), ({"factor": 0.0}, 0), ({"drop": True}, None)]
)
@pytest.mark.parametrize("stream", [True, False])
async def test_wrong_usage_is_reported_but_not_counted(
    simulator: RunningSimulator, fields: dict[str, Any], reported: int | None, stream: bool
) -> None:
    simulator.state.faults.set([FaultRule("wrong_usage", **fields)])
    async with httpx2.AsyncClient(base_url=simulator.url, headers=ANTHROPIC) as h:
        found = await h.post("/v1/messages", json=BODY | {"stream": stream})
    if reported is None:
        assert "usage" not in found.text
    else:
        assert f'"output_tokens":{reported},' in found.text
    assert simulator.state.ledger.log[0].output_tokens == 80
    assert simulator.state.ledger.totals.whole == 1


async def test_a_delay_comes_before_the_head_and_the_call_is_whole(
    simulator: RunningSimulator,
) -> None:
    simulator.state.faults.set([FaultRule("delay", delay_s=0.05)])
    async with httpx2.AsyncClient(base_url=simulator.url, headers=ANTHROPIC) as h:
        assert (await h.post("/v1/messages", json=BODY)).status_code == 200
    (record,) = simulator.state.ledger.log
    assert record.ended_s - record.started_s >= 0.049


@pytest.mark.parametrize(("after_chunks", "output"), [(-1, 0), (2, 16)])
async def test_a_hang_lasts_until_the_client_leaves(
    simulator: RunningSimulator, after_chunks: int, output: int
) -> None:
    simulator.state.faults.set([FaultRule("hang", after_chunks=after_chunks)])
    async with httpx2.AsyncClient(base_url=simulator.url, headers=ANTHROPIC) as h:
        with pytest.raises(httpx2.ReadTimeout):
            await h.post("/v1/messages", json=BODY | {"stream": True}, timeout=0.1)
    state = simulator.state
    await wait_until(lambda: state.ledger.totals.gone == 1, "the lost client is counted")
    assert state.ledger.log[0].output_tokens == output
    assert state.ledger.in_flight == 0


async def test_a_hang_can_end(simulator: RunningSimulator) -> None:
    simulator.state.faults.set([FaultRule("hang", after_chunks=2, delay_s=0.01)])
    async with httpx2.AsyncClient(base_url=simulator.url, headers=ANTHROPIC) as h:
        found = await h.post("/v1/messages", json=BODY | {"stream": True})
    assert "message_stop" in found.text
    assert simulator.state.ledger.totals.whole == 1
