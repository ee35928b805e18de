"""Limits over HTTP: headers, refusals and counters of each dialect, on a clock moved by hand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import httpx2
import pytest

from gateway.simulator import (
    LimitRule,
    Limits,
    RunningSimulator,
    SimulatorSettings,
    start_simulator,
)
from gateway.simulator.openai.errors import go_duration
from tests.simulator.conftest import FakeClock

ANTHROPIC = {"x-api-key": "sim-anthropic-key", "anthropic-version": "2023-06-01"}
OPENAI = {"authorization": "Bearer sim-openai-key"}
GEMINI = {"x-goog-api-key": "sim-gemini-key"}
SONNET, OPUS = "claude-sonnet-4-6", "claude-opus-4-6"


def settings(dialect: str, limits: Limits, **more: Any) -> SimulatorSettings:
    return SimulatorSettings(limits={dialect: (LimitRule("*", limits),)}, **more)


class Client:
    """Raw calls of each dialect."""

    def __init__(self, running: RunningSimulator, http: httpx2.AsyncClient) -> None:
        self.simulator = running
        self.http = http

    async def anthropic(
        self, text: str = "hi", model: str = SONNET, **more: Any
    ) -> httpx2.Response:
        body = {"model": model, "max_tokens": 5000, "messages": user(text)} | more
        return await self.http.post("/v1/messages", headers=ANTHROPIC, json=body)

    async def openai(self, text: str = "hi", **more: Any) -> httpx2.Response:
        body = {"model": "gpt-4o", "messages": user(text)} | more
        return await self.http.post("/v1/chat/completions", headers=OPENAI, json=body)

    async def gemini(self, text: str = "hi", **more: Any) -> httpx2.Response:
        body = {"contents": [{"parts": [{"text": text}]}]} | more
        path = "/v1beta/models/gemini-2.5-flash:generateContent"
        return await self.http.post(path, headers=GEMINI, json=body)


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


@asynccontextmanager
async def run(config: SimulatorSettings, clock: FakeClock) -> AsyncIterator[Client]:
    async with (
        start_simulator(config, clock=clock, wall=clock) as running,
        httpx2.AsyncClient(base_url=running.url) as http,
    ):
        yield Client(running, http)


def seconds_until(stamp: str, clock: FakeClock) -> float:
    return datetime.fromisoformat(stamp).timestamp() - clock.now


async def test_anthropic_sends_all_limit_headers(fake_clock: FakeClock) -> None:
    limits = Limits(rpm=60, itpm=60_000, otpm=6_000)
    async with run(settings("anthropic", limits), fake_clock) as c:
        found = await c.anthropic("x" * 4 * 5597 + "[[output=3000]]")
    h = found.headers
    prefix = "anthropic-ratelimit-"
    assert (h[prefix + "requests-limit"], h[prefix + "requests-remaining"]) == ("60", "59")
    assert found.json()["usage"]["input_tokens"] == 5604
    assert (h[prefix + "input-tokens-limit"], h[prefix + "input-tokens-remaining"]) == (
        "60000",
        "54000",
    )
    assert (h[prefix + "output-tokens-limit"], h[prefix + "output-tokens-remaining"]) == (
        "6000",
        "3000",
    )
    assert h[prefix + "tokens-limit"] == "6000"
    assert seconds_until(h[prefix + "requests-reset"], fake_clock) == 1
    assert seconds_until(h[prefix + "input-tokens-reset"], fake_clock) == 6
    assert seconds_until(h[prefix + "output-tokens-reset"], fake_clock) == 30
    assert h[prefix + "tokens-reset"] == h[prefix + "output-tokens-reset"]


async def test_anthropic_refuses_with_a_retry_after_that_suffices(fake_clock: FakeClock) -> None:
    async with run(settings("anthropic", Limits(itpm=6000)), fake_clock) as c:
        assert (await c.anthropic("x" * 4 * 5000, max_tokens=1)).status_code == 200
        refused = await c.anthropic("x" * 4 * 1500, max_tokens=1)
        assert refused.status_code == 429
        assert refused.json()["error"]["type"] == "rate_limit_error"
        wait = int(refused.headers["retry-after"])
        assert wait == 6  # 5003 + 1503 - 6000 tokens are 5.06 s at 100 a second
        assert refused.headers["anthropic-ratelimit-input-tokens-remaining"] == "1000"
        fake_clock.advance(wait - 1)
        assert (await c.anthropic("x" * 4 * 1500, max_tokens=1)).status_code == 429
        fake_clock.advance(1)
        assert (await c.anthropic("x" * 4 * 1500, max_tokens=1)).status_code == 200
        totals = c.simulator.state.ledger.totals
    assert totals.rate_limited == totals.wasted == 2
    assert totals.limited_by == {"input_tokens": 2}
    assert totals.useful.input_tokens == 5003 + 1503
    assert totals.charged == totals.useful_charged


async def test_anthropic_ignores_max_tokens_and_counts_output_as_produced(
    fake_clock: FakeClock,
) -> None:
    async with run(settings("anthropic", Limits(otpm=600)), fake_clock) as c:
        assert (await c.anthropic("[[output=10]]", max_tokens=5000)).status_code == 200
        assert (await c.anthropic("[[output=1000]]")).status_code == 200
        refused = await c.anthropic("[[output=1]]")
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) == 42  # 411 tokens at 10 a second
        assert refused.headers["anthropic-ratelimit-output-tokens-remaining"] == "0"
        fake_clock.advance(42)
        assert (await c.anthropic("[[output=1]]")).status_code == 200


async def test_anthropic_model_classes_share_buckets(fake_clock: FakeClock) -> None:
    async with run(settings("anthropic", Limits(rpm=1)), fake_clock) as c:
        assert (await c.anthropic(model="claude-opus-4-6")).status_code == 200
        assert (await c.anthropic(model="claude-opus-4-8")).status_code == 429
        assert (await c.anthropic(model="claude-opus-5")).status_code == 200
        assert (await c.anthropic(model="claude-sonnet-4-6")).status_code == 200
        assert (await c.anthropic(model="claude-sonnet-4-5-20250929")).status_code == 429


async def test_a_shared_rule_is_one_bucket_for_all_its_models(fake_clock: FakeClock) -> None:
    rules = (LimitRule("claude-*", Limits(rpm=1), shared=True),)
    async with run(SimulatorSettings(limits={"anthropic": rules}), fake_clock) as c:
        assert (await c.anthropic(model=SONNET)).status_code == 200
        assert (await c.anthropic(model=OPUS)).status_code == 429


async def test_counting_tokens_has_a_request_limit_of_its_own(fake_clock: FakeClock) -> None:
    async with run(settings("anthropic", Limits(rpm=1, count_rpm=2)), fake_clock) as c:
        body = {"model": SONNET, "messages": user("hi")}
        codes = [
            (
                await c.http.post("/v1/messages/count_tokens", headers=ANTHROPIC, json=body)
            ).status_code
            for _ in range(3)
        ]
        assert codes == [200, 200, 429]
        assert (await c.anthropic()).status_code == 200


async def test_openai_charges_on_arrival_and_tells_remaining_and_reset(
    fake_clock: FakeClock,
) -> None:
    async with run(settings("openai", Limits(rpm=60, tpm=6000)), fake_clock) as c:
        found = await c.openai("x" * 400, max_tokens=3000)
        h = found.headers
        assert (h["x-ratelimit-limit-requests"], h["x-ratelimit-remaining-requests"]) == (
            "60",
            "59",
        )
        assert (h["x-ratelimit-limit-tokens"], h["x-ratelimit-remaining-tokens"]) == (
            "6000",
            "3000",
        )
        assert h["x-ratelimit-reset-requests"] == "1s"
        assert h["x-ratelimit-reset-tokens"] == "30s"
        refused = await c.openai("x" * 400, max_tokens=3600)
        assert refused.status_code == 429
        error = refused.json()["error"]
        assert (error["code"], error["type"]) == ("rate_limit_exceeded", "tokens")
        assert "Limit 6000, Used 3000, Requested 3600" in error["message"]
        assert refused.headers["retry-after"] == "6"
        assert refused.headers["retry-after-ms"] == "6000"
        assert refused.headers["x-ratelimit-remaining-requests"] == "58"
        hopeless = await c.openai(max_tokens=6001)
        assert hopeless.status_code == 429
        assert "retry-after" not in hopeless.headers
        fake_clock.advance(6)
        assert (await c.openai("x" * 400, max_tokens=3600)).status_code == 200


async def test_openai_failures_cost_a_request_but_faults_and_unknown_models_do_not(
    fake_clock: FakeClock,
) -> None:
    async with run(settings("openai", Limits(rpm=10)), fake_clock) as c:
        assert (await c.openai(max_tokens=-1)).status_code == 400
        assert (await c.openai(model="none")).status_code == 404
        assert (await c.openai()).headers["x-ratelimit-remaining-requests"] == "8"


async def test_gemini_counts_input_only_and_says_how_long_to_wait(fake_clock: FakeClock) -> None:
    async with run(settings("gemini", Limits(rpm=100, itpm=6000)), fake_clock) as c:
        first = await c.gemini("x" * 4 * 5000 + "[[output=9000]]")
        assert first.status_code == 200
        assert not [name for name in first.headers if "ratelimit" in name]
        refused = await c.gemini("x" * 4 * 2000)
        assert refused.status_code == 429
        error = refused.json()["error"]
        assert error["status"] == "RESOURCE_EXHAUSTED"
        failure, retry = error["details"]
        assert failure["violations"][0]["quotaId"].startswith("GenerateContentInputTokens")
        assert failure["violations"][0]["quotaValue"] == "6000"
        assert retry["retryDelay"] == "10.04s"
        assert "Please retry in 10.04s." in error["message"]
        fake_clock.advance(10.04)
        assert (await c.gemini("x" * 4 * 2000)).status_code == 200


async def test_a_shorter_minute_scales_what_clients_are_told(fake_clock: FakeClock) -> None:
    config = settings("anthropic", Limits(rpm=60), minute_s=6.0)
    async with run(config, fake_clock) as c:
        for _ in range(60):
            assert (await c.anthropic(max_tokens=1)).status_code == 200
        refused = await c.anthropic()
        assert refused.headers["retry-after"] == "0.1"
        reset = refused.headers["anthropic-ratelimit-requests-reset"]
        assert seconds_until(reset, fake_clock) == pytest.approx(6.0, abs=0.002)


async def test_limits_that_are_not_set_have_no_headers(fake_clock: FakeClock) -> None:
    async with run(SimulatorSettings(limits={}), fake_clock) as c:
        found = await c.anthropic()
        assert not [name for name in found.headers if "ratelimit" in name]


@pytest.mark.parametrize(
    ("wait_s", "text"),
    [(0, "0s"), (0.12, "120ms"), (1, "1s"), (1.5, "1.5s"), (90, "1m30s"), (360, "6m0s"),
     (3600, "1h0m0s"), (8.64, "8.64s"), (0.0001, "1ms")],
)  # fmt: skip
def test_durations_are_written_as_go_writes_them(wait_s: float, text: str) -> None:
    assert go_duration(wait_s) == text
