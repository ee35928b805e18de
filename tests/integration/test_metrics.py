"""What `/metrics` of a whole gateway shows of the calls that it served."""

import asyncio
import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.domain.limits import Budget, LaneLimits
from gateway.simulator import Limits, RunningSimulator
from gateway.telemetry.declared import DECLARED
from tests.integration.ground import LANE, Ground, ground
from tests.integration.speaking import ANTHROPIC, STREAMED

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def shown(here: Ground) -> dict[str, float]:
    text = (await here.alice.client.get(here.urls[0] + "/metrics")).text
    return {
        sample.name
        + "{"
        + ",".join(f'{key}="{value}"' for key, value in sorted(sample.labels.items()))
        + "}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_a_gateway_shows_its_calls_its_lanes_and_itself(
    provider: RunningSimulator, store_url: str
) -> None:
    limits = LaneLimits(rpm=1000, itpm=80_000, otpm=16_000, concurrency=5)
    async with ground(
        provider,
        store_url,
        budget=Budget(tpm=50_000, usd_per_day_micro=20_000_000),
        lane=(ANTHROPIC, limits),
        provider=Limits(rpm=1000, itpm=80_000, otpm=16_000),
    ) as here:
        session = {"x-gateway-session": "s-1"}
        for turn in range(3):
            said = "word " * 50 * (turn + 1)
            answer = await here.alice.say(ANTHROPIC, 30, prompt=said, extra=session)
            assert answer.status == 200
        assert (await here.alice.say(STREAMED[0], 30)).status == 200
        seen = await shown(here)
        async with asyncio.timeout(10):
            while (  # written beside the calls, half a second later at most
                seen["gateway_event_loop_lag_seconds_count{}"] == 0
                or seen["gateway_session_context_growth_tokens_count{}"] < 2
            ):
                await asyncio.sleep(0.02)
                seen = await shown(here)
    lane = f'lane="{LANE}"'
    rpm = f'{{dimension="rpm",{lane}}}'
    assert seen["gateway_lane_limit" + rpm] == 1000
    headroom = int(answer.headers["anthropic-ratelimit-requests-remaining"])
    assert headroom - 2 <= seen["gateway_lane_headroom" + rpm] <= headroom + 1
    assert abs(seen["gateway_lane_drift" + rpm]) <= 12
    assert seen[f'gateway_attempts_total{{{lane},verdict="ok"}}'] == 4
    assert seen["gateway_session_context_growth_tokens_count{}"] == 2
    assert seen["gateway_sessions_open{}"] == 1
    assert seen[f'gateway_time_to_first_token_seconds_count{{{lane},priority="normal"}}'] == 1
    assert seen["gateway_store_seconds_count{}"] > 0
    assert seen["gateway_workers{}"] == seen["gateway_store_up{}"] == 1
    assert seen["gateway_resident_memory_bytes{}"] > 10_000_000
    assert seen["gateway_cpu_seconds_total{}"] > 0
    assert seen['gateway_budget_limit{dimension="usd_per_day",name="alice",scope="agent"}'] == 20
    cost = sum(value for name, value in seen.items() if name.startswith("gateway_cost_usd"))
    today = seen['gateway_budget_used{dimension="usd_per_day",name="alice",scope="agent"}']
    assert today == pytest.approx(cost, abs=1e-9)
    declared = {one.name for one in DECLARED}
    found = {re.sub(r"(_bucket|_sum|_count)?\{.*", "", name) for name in seen}
    assert found <= declared
