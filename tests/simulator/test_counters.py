"""Counters, the log and the control endpoints over HTTP; speed; clients that leave."""

import asyncio
import gzip
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from gateway.simulator import LimitRule, Limits, SimulatorSettings, start_simulator
from gateway.simulator.control import merged
from tests.simulator.test_enforcement import ANTHROPIC, OPENAI, user
from tests.simulator.test_faults import wait_until

MODEL = "claude-sonnet-4-6"
FREE = SimulatorSettings(limits={})


def body(text: str = "[[output=80]]", **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 999, "messages": user(text)} | more


async def test_the_log_and_the_totals_tell_each_call_exactly() -> None:
    async with (
        start_simulator(FREE) as running,
        httpx2.AsyncClient(base_url=running.url, headers=ANTHROPIC) as h,
    ):
        await h.post("/v1/messages", json=body(), headers={"x-sim-client": "reviewer"})
        await h.post("/v1/messages", json=body(max_tokens=10, stream=True))
        await h.post("/v1/messages", json=body(model="none"))
        await h.post("/v1/messages", json=body(), headers={"x-api-key": "wrong"})
        log = (await h.get("/_sim/log")).json()
        later = (await h.get("/_sim/log", params={"since": 2})).json()
        stats = (await h.get("/_sim/stats")).json()
    assert [r["seq"] for r in log] == [1, 2, 3, 4]
    assert later == log[2:]
    assert [r["status"] for r in log] == [200, 200, 404, 401]
    assert [r["output_tokens"] for r in log] == [80, 10, 0, 0]
    assert [r["input_tokens"] for r in log] == [7, 7, 0, 0]
    assert log[0]["client"] == "reviewer"
    assert log[0]["charged"] == {"requests": 1, "input_tokens": 7, "output_tokens": 80}
    assert [r["stream"] for r in log] == [False, True, False, False]
    assert all(r["started_s"] <= r["ended_s"] for r in log)
    totals = stats["totals"]
    assert (totals["requests"], totals["whole"], totals["wasted"]) == (4, 2, 2)
    assert totals["unauthorized"] == 1
    assert totals["statuses"] == {"200": 2, "404": 1, "401": 1}
    assert totals["useful"]["output_tokens"] == 90
    assert stats["models"][f"anthropic/{MODEL}"]["requests"] == 2
    assert stats["in_flight"] == 0


async def test_peak_concurrency_counts_calls_at_once() -> None:
    async with (
        start_simulator(replace(FREE, ttft_s=0.1)) as running,
        httpx2.AsyncClient(base_url=running.url, headers=ANTHROPIC) as h,
    ):
        await asyncio.gather(*(h.post("/v1/messages", json=body()) for _ in range(5)))
        assert running.state.ledger.peak_concurrency == 5
        assert running.state.ledger.in_flight == 0


async def test_a_concurrency_limit_is_held_to_the_last_byte() -> None:
    config = SimulatorSettings(
        limits={"anthropic": (LimitRule("*", Limits(concurrency=2)),)}, tokens_per_s=800
    )
    async with (
        start_simulator(config) as running,
        httpx2.AsyncClient(base_url=running.url, headers=ANTHROPIC) as h,
    ):
        streams = [h.post("/v1/messages", json=body(stream=True)) for _ in range(4)]
        found = await asyncio.gather(*streams)
        assert sorted(r.status_code for r in found) == [200, 200, 429, 429]
        assert running.state.ledger.totals.limited_by == {"concurrency": 2}
        assert (await h.post("/v1/messages", json=body())).status_code == 200


@pytest.mark.parametrize("stream", [True, False])
async def test_the_speed_is_time_to_first_token_plus_tokens_over_speed(stream: bool) -> None:
    config = replace(FREE, ttft_s=0.05, tokens_per_s=800)
    async with (
        start_simulator(config) as running,
        httpx2.AsyncClient(base_url=running.url, headers=ANTHROPIC) as h,
    ):
        await h.post("/v1/messages", json=body(stream=stream))
        (record,) = running.state.ledger.log
    assert record.ended_s - record.started_s == pytest.approx(0.15, rel=0.5)
    assert record.ended_s - record.started_s >= 0.149


@pytest.mark.parametrize("stream", [True, False])
async def test_output_is_charged_while_it_is_produced_and_stops_when_the_client_leaves(
    stream: bool,
) -> None:
    limits = {"anthropic": (LimitRule("*", Limits(otpm=100_000)),)}
    config = SimulatorSettings(limits=limits, tokens_per_s=500)
    async with (
        start_simulator(config) as running,
        httpx2.AsyncClient(base_url=running.url, headers=ANTHROPIC) as h,
    ):
        with pytest.raises(httpx2.ReadTimeout):
            async with asyncio.timeout(5):
                async with h.stream(
                    "POST", "/v1/messages", json=body("[[output=900]]", stream=stream), timeout=0.15
                ) as response:
                    async for _ in response.aiter_bytes():
                        if running.state.ledger.in_flight and stream:
                            await asyncio.sleep(0.1)
                            raise httpx2.ReadTimeout("left on purpose")
        await wait_until(lambda: running.state.ledger.totals.gone == 1, "gone")
        (record,) = running.state.ledger.log
    assert 0 < record.output_tokens < 900
    assert record.charged["output_tokens"] == record.output_tokens
    assert running.state.ledger.totals.useful.total == 0


async def test_settings_change_at_run_time_and_wrong_ones_are_refused() -> None:
    async with (
        start_simulator(FREE) as running,
        httpx2.AsyncClient(base_url=running.url, headers=ANTHROPIC) as h,
    ):
        limits = {"anthropic": [{"models": "*", "limits": {"rpm": 1}}]}
        changed = await h.put("/_sim/settings", json={"limits": limits, "ttft_s": 0.01})
        assert changed.status_code == 200
        assert (await h.get("/_sim/settings")).json()["ttft_s"] == 0.01
        codes = [(await h.post("/v1/messages", json=body())).status_code for _ in range(2)]
        assert codes == [200, 429]
        wrongs: list[Any] = [{"speed": 1}, {"minute_s": 0}, {"ttft_s": "x"}, []]
        for wrong in wrongs:
            assert (await h.put("/_sim/settings", json=wrong)).status_code == 400
        await h.post("/_sim/reset")
        stats = (await h.get("/_sim/stats")).json()
        assert stats["totals"]["requests"] == 0
        assert (await h.post("/v1/messages", json=body())).status_code == 200


async def test_faults_are_set_listed_and_cleared_over_http() -> None:
    async with (
        start_simulator(FREE) as running,
        httpx2.AsyncClient(base_url=running.url, headers=ANTHROPIC) as h,
    ):
        await h.post("/_sim/faults", json=[{"kind": "status", "status": 529}])
        assert (await h.post("/v1/messages", json=body())).status_code == 529
        listed = (await h.get("/_sim/faults")).json()
        assert listed == [{"rule": {"kind": "status", "status": 529}, "hits": 1}]
        assert (await h.post("/_sim/faults", json=[{"kind": "nonsense"}])).status_code == 400
        await h.request("DELETE", "/_sim/faults")
        assert (await h.post("/v1/messages", json=body())).status_code == 200


async def test_a_neighbour_takes_from_the_bucket_and_is_counted_apart() -> None:
    limits = {"openai": (LimitRule("*", Limits(tpm=60_000)),)}
    async with (
        start_simulator(SimulatorSettings(limits=limits)) as running,
        httpx2.AsyncClient(base_url=running.url, headers=OPENAI) as h,
    ):
        wish = {"dialect": "openai", "model": "gpt-4o", "tokens": 59_000}
        assert (await h.post("/_sim/consume", json=wish)).json() == {"tokens": 59_000}
        call = {"model": "gpt-4o", "messages": user("hi"), "max_tokens": 5000}
        assert (await h.post("/v1/chat/completions", json=call)).status_code == 429
        wrong = await h.post("/_sim/consume", json={"dialect": "openai", "model": "x"})
        assert wrong.status_code == 400
        stats = (await h.get("/_sim/stats")).json()
    assert stats["neighbour"] == {"tokens": 59_000}
    assert stats["totals"]["charged"] == {}


def test_merging_settings_keeps_what_is_not_named() -> None:
    found = merged(SimulatorSettings(), {"keys": {"openai": "other"}, "minute_s": 6})
    assert found.keys["openai"] == "other"
    assert found.keys["anthropic"] == "sim-anthropic-key"
    assert found.minute_s == 6
    assert found.limits == SimulatorSettings().limits


async def test_gzip_both_ways() -> None:
    async with (
        start_simulator(replace(FREE, compress=True)) as running,
        httpx2.AsyncClient(base_url=running.url, headers=ANTHROPIC) as h,
    ):
        packed = gzip.compress(httpx2.Request("POST", running.url, json=body()).content)
        headers = {"content-encoding": "gzip", "content-type": "application/json"}
        plain = await h.post("/v1/messages", content=packed, headers=headers)
        stream = await h.post("/v1/messages", json=body(stream=True))
        bare = await h.post("/v1/messages", json=body(), headers={"accept-encoding": "identity"})
        broken = await h.post("/v1/messages", content=packed[:-9], headers=headers)
    assert plain.headers["content-encoding"] == stream.headers["content-encoding"] == "gzip"
    assert plain.json()["usage"]["output_tokens"] == 80
    assert "message_stop" in stream.text
    assert "content-encoding" not in bare.headers
    assert broken.status_code == 400


async def test_bodies_up_to_the_limit_work_and_larger_ones_are_413() -> None:
    async with (
        start_simulator(FREE) as running,
        httpx2.AsyncClient(base_url=running.url, headers=ANTHROPIC, timeout=30) as h,
    ):
        limit = FREE.max_body_bytes
        small = body("x" * (limit - 200), model="claude-opus-5", max_tokens=1)
        too_long = await h.post("/v1/messages", json=small)
        assert too_long.json()["error"]["message"].startswith("prompt is too long")
        too_large = await h.post("/v1/messages", content=b"x" * (limit + 1))
        assert too_large.status_code == 413
        assert too_large.json()["error"]["type"] == "request_too_large"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b'{"model": 3}'])
@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v1/messages", ANTHROPIC),
        ("/v1/chat/completions", OPENAI),
        ("/v1/responses", OPENAI),
        ("/v1/embeddings", OPENAI),
        ("/v1beta/models/gemini-2.5-flash:generateContent?key=sim-gemini-key", {}),
    ],
)
async def test_nonsense_is_a_400_in_the_dialects_shape(
    path: str, headers: dict[str, str], content: bytes
) -> None:
    async with (
        start_simulator(FREE) as running,
        httpx2.AsyncClient(base_url=running.url, headers=headers) as h,
    ):
        found = await h.post(path, content=content)
    assert found.status_code == 400
    assert found.json()["error"]["message"]


async def test_requests_are_captured_as_they_arrived() -> None:
    async with (
        start_simulator(replace(FREE, capture=5)) as running,
        httpx2.AsyncClient(base_url=running.url, headers=ANTHROPIC) as h,
    ):
        content = b'{ "model":"claude-sonnet-4-6", "max_tokens":1,"messages":[], "unknown":1 }'
        await h.post("/v1/messages?beta=true", content=content)
        (request,) = running.state.captured
    assert (request.method, request.target, request.query) == (
        "POST",
        b"/v1/messages",
        b"beta=true",
    )
    assert request.body == content
    assert (b"anthropic-version", b"2023-06-01") in request.headers


async def test_unknown_paths_are_404_and_counted() -> None:
    async with (
        start_simulator(FREE) as running,
        httpx2.AsyncClient(base_url=running.url, headers=ANTHROPIC) as h,
    ):
        assert (await h.get("/v1/skills")).status_code == 404
        assert (await h.get("/_sim/nothing")).status_code == 404
        assert running.state.ledger.totals.requests == 1
