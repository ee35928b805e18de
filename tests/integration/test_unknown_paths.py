"""What the gateway does not know still counts: other paths, models without a price, made-up names.

Field note 8: elsewhere these escaped their budgets. And nothing that a caller makes up may grow
without bound, in memory, in the store or among the labels of metrics.
"""

import asyncio
import re
from collections import Counter

import pytest

from gateway.config.settings import ServerSettings
from gateway.domain.limits import Budget
from gateway.simulator import FaultRule, RunningSimulator
from gateway.store.connection import connect
from gateway.telemetry.labels import MAX_MODELS
from tests.integration.ground import Ground, ground
from tests.integration.speaking import ALL, ANTHROPIC, GEMINI, OPENAI, Speech
from tests.integration.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
DEFAULT_TOKENS = 1000
NOW_OR_NEVER = {"x-gateway-max-wait": "0"}
PATHS = {
    "anthropic batches": (ANTHROPIC, "/v1/messages/batches"),
    "anthropic, nobody knows": (ANTHROPIC, "/v1/something/new"),
    "openai files": (OPENAI, "/v1/files"),
    "openai audio": (OPENAI, "/v1/audio/speech"),
    "openai, by name": (OPENAI, "/p/openai/v1/batches"),
    "gemini files": (GEMINI, "/upload/v1beta/files"),
    "gemini, a new verb": (GEMINI, "/v1beta/models/gemini-2.5-flash:predictLongRunning"),
}


async def post(here: Ground, speech: Speech, path: str, method: str = "POST") -> int:
    """The status of a call of which the gateway understands nothing."""
    response = await here.alice.client.request(
        method,
        here.urls[0] + path,
        content=b'{"anything": true}' if method != "GET" else b"",
        headers=speech.headers(extra=NOW_OR_NEVER),
    )
    return response.status_code


@pytest.mark.parametrize("case", PATHS)
async def test_a_path_without_a_codec_is_charged_the_stated_default(
    provider: RunningSimulator, store_url: str, case: str
) -> None:
    """Field note 8: `server.passthrough_tokens` for a call that changes something."""
    speech, path = PATHS[case]
    async with ground(provider, store_url, budget=Budget(tpm=2 * DEFAULT_TOKENS + 1)) as here:
        for count in (1, 2):
            assert await post(here, speech, path) != 429
            budget = await here.books.inspect_agent("alice")
            assert (budget.tokens, budget.requests) == (count * DEFAULT_TOKENS, count)
            assert (
                budget.spent_day == count * DEFAULT_TOKENS * 5
            )  # $5 per million, as an unpriced model
        assert await post(here, speech, path) == 429
        assert provider.state.ledger.totals.requests == 2


@pytest.mark.parametrize("speech", [ANTHROPIC, OPENAI, GEMINI], ids=str)
async def test_a_call_that_only_asks_counts_as_a_request(
    provider: RunningSimulator, store_url: str, speech: Speech
) -> None:
    """Field note 8: polling a batch is free of tokens, not of requests."""
    path = "/v1beta/files/x" if speech is GEMINI else "/v1/files/x"
    async with ground(provider, store_url, budget=Budget(rpm=2, tpm=100)) as here:
        statuses = [await post(here, speech, path, "GET") for _ in range(3)]
        assert 429 not in statuses[:2]
        assert statuses[2] == 429
        assert (await here.books.inspect_agent("alice")).tokens == 0


async def test_a_client_that_leaves_before_its_turn_is_not_served(
    provider: RunningSimulator, store_url: str
) -> None:
    """Field note 19: a path without a codec makes no difference."""
    async with ground(provider, store_url, budget=Budget(concurrency=1), ttft_s=0.3) as here:
        first = asyncio.ensure_future(here.alice.say(ANTHROPIC))
        await until(lambda: provider.state.ledger.in_flight == 1, "a call at the provider")
        waiting = asyncio.ensure_future(
            here.alice.client.post(
                f"{here.urls[0]}/v1/messages/batches", json={}, headers=ANTHROPIC.headers()
            )
        )
        lane = "claude/passthrough"
        await until_waiting(here, lane, 1)
        waiting.cancel()
        await until_waiting(here, lane, 0)
        assert (await first).status == 200
        assert provider.state.ledger.totals.requests == 1


async def test_a_client_that_leaves_ends_its_call_at_the_provider(
    provider: RunningSimulator, store_url: str
) -> None:
    """What nobody waits for is not fetched to its end."""
    async with ground(provider, store_url, budget=Budget()) as here:
        provider.state.faults.set([FaultRule(kind="hang", after_chunks=-1)])
        call = asyncio.ensure_future(post(here, ANTHROPIC, "/v1/messages/batches"))
        await until(lambda: provider.state.ledger.in_flight == 1, "a call at the provider")
        call.cancel()
        await until(lambda: provider.state.ledger.in_flight == 0, "a provider left alone")
        budget = await here.books.inspect_agent("alice")
        assert (budget.in_flight, budget.tokens) == (0, DEFAULT_TOKENS), "it may have been done"


async def until_waiting(here: Ground, lane: str, count: int) -> None:
    async with asyncio.timeout(20):
        while sum((await here.books.inspect_lane(lane)).waiting) != count:
            pass


UNPRICED = {"openai": ("house-model-1",), "anthropic": ("claude-house-1",)}


@pytest.mark.parametrize(
    "speech",
    [Speech("openai", "house-model-1", stream, "openai") for stream in (False, True)]
    + [Speech("anthropic", "claude-house-1", False, "claude")],
    ids=str,
)
async def test_a_model_without_a_price_costs_the_stated_default(
    provider: RunningSimulator, store_url: str, speech: Speech
) -> None:
    """Field note 8: its tokens and its money count, and it is shown that the price is a guess."""
    async with ground(
        provider,
        store_url,
        budget=Budget(tpm=100_000, usd_per_day_micro=10_000_000),
        extra_models=UNPRICED,
    ) as here:
        assert (await here.alice.say(speech, 300)).status == 200
        used = provider.state.ledger.totals.used
        budget = await here.books.inspect_agent("alice")
        assert budget.tokens == used.input_tokens + used.output_tokens > 300
        assert budget.spent_day > 0
        shown = (await here.alice.client.get(here.urls[0] + "/metrics")).text
        assert f'gateway_unpriced_calls_total{{gen_ai_request_model="{speech.model}"}} 1.0' in shown


async def test_money_spent_on_an_unpriced_model_ends_the_day(
    provider: RunningSimulator, store_url: str
) -> None:
    """Field note 8: an unpriced model does not get around `usd_per_day`."""
    speech = Speech("openai", "house-model-1", False, "openai")
    async with ground(
        provider, store_url, budget=Budget(usd_per_day_micro=20_000), extra_models=UNPRICED
    ) as here:
        for _ in range(100):
            answer = await here.alice.say(speech, 500)
            if answer.status != 200:
                break
        assert (answer.status, answer.reason) == (429, "spend")
        assert answer.headers["x-should-retry"] == "false"
        assert (await here.books.inspect_agent("alice")).spent_day <= 20_000


async def test_made_up_model_names_stay_within_bounds(
    provider: RunningSimulator, store_url: str
) -> None:
    """Field note 8: lanes, keys of the store and labels of metrics do not grow with the names."""
    own_lanes = 5
    async with ground(
        provider,
        store_url,
        budget=Budget(rpm=10_000),
        server=ServerSettings(max_own_lanes=own_lanes),
    ) as here:
        await here.alice.say(ANTHROPIC)
        before = await count_of_keys(store_url)
        for batch in range(MAX_MODELS // 20 + 3):
            await asyncio.gather(
                *(
                    here.alice.say(Speech("openai", f"made-up-{batch}-{n}", False, "openai"))
                    for n in range(20)
                )
            )
        assert await count_of_keys(store_url) <= before + 3 * (own_lanes + 1)
        shown = (await here.alice.client.get(here.urls[0] + "/metrics")).text
        models = set(re.findall(r'model="([^"]*)"', shown))
        lanes = set(re.findall(r'lane="([^"]*)"', shown))
        assert "other" in models
        assert len(models) <= MAX_MODELS + 1
        assert "openai/other" in lanes
        assert len({one for one in lanes if one.startswith("openai/")}) <= own_lanes + 1
        assert (await here.books.inspect_agent("alice")).requests > MAX_MODELS


async def count_of_keys(store_url: str) -> int:
    """Keys of admission; explanations have a bound of their own, per second."""
    redis = await connect(store_url)
    try:
        keys: list[bytes] = await redis.keys("gw:*")  # type: ignore[assignment]  # undecoded
        kinds = Counter(key.split(b":")[2] for key in keys)
    finally:
        await redis.aclose()
    assert b"lane" in kinds, kinds
    return sum(kinds[one] for one in (b"lane", b"scope", b"flow", b"ticket"))


@pytest.mark.parametrize("speech", ALL, ids=str)
async def test_a_name_too_long_to_be_a_model_is_the_callers_error(
    provider: RunningSimulator, store_url: str, speech: Speech
) -> None:
    """Field note 8: a name becomes a key and a header field; it is refused before either."""
    async with ground(provider, store_url) as here:
        assert (await here.alice.say(speech)).status == 200
        before = await count_of_keys(store_url)
        long = Speech(speech.dialect, "m" * 5000, speech.stream, speech.provider)
        answer = await here.alice.say(long)
        assert (answer.status, answer.reason) == (400, "bad_request")
        assert len(str(answer.headers)) < 2000
        assert await count_of_keys(store_url) == before
        assert provider.state.ledger.totals.requests == 1
