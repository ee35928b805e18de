"""A provider's spend refusal passes at once, as it came, and is marked as final.

SDKs retry every 429, and a spend cap lasts until the end of the month (provider-facts A3, B4), so
the gateway adds `x-should-retry: false`, which all of them obey. Nothing else is changed.
"""

import httpx2
import pytest

from gateway.simulator import FaultRule, RunningSimulator
from tests.fixtures.gateway import KEY, RunningGateway

CALLS: dict[str, tuple[str, dict[str, object]]] = {
    "anthropic": ("/v1/messages", {"model": "claude-sonnet-5", "max_tokens": 5}),
    "openai": ("/v1/chat/completions", {"model": "gpt-5"}),
}
SPEND = {"anthropic": "spend_cap", "openai": "insufficient_quota"}


@pytest.mark.parametrize("dialect", CALLS)
async def test_it_is_marked_final_and_asked_once(
    dialect: str, gateway: RunningGateway, simulator: RunningSimulator
) -> None:
    path, fields = CALLS[dialect]
    body = {**fields, "messages": [{"role": "user", "content": "hi"}]}
    rule = FaultRule("status", status=429, variant=SPEND[dialect])
    simulator.state.faults.set([rule])
    headers = {"authorization": f"Bearer {KEY}"}
    async with httpx2.AsyncClient(trust_env=False) as client:
        answer = await client.post(gateway.url + path, json=body, headers=headers)
    assert answer.status_code == 429
    assert answer.headers["x-should-retry"] == "false"
    assert "x-gateway-reason" not in answer.headers
    assert simulator.state.ledger.totals.requests == 1
