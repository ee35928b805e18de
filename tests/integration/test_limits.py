"""Limits hold: in every dialect, streamed or not, for agents, teams and lanes.

Field notes 1 to 11, each named where it is tested. Calls are real HTTP, the provider is the
simulator, whose log is the measure.
"""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Sequence

import pytest

from gateway.domain.limits import Budget, LaneLimits
from gateway.simulator import Limits, RunningSimulator, count_tokens
from tests.integration.ground import LANE, ground
from tests.integration.speaking import (
    ALL,
    ANTHROPIC,
    GEMINI,
    OPENAI,
    STREAMED,
    WHOLE,
    Answer,
    Speech,
)
from tests.integration.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
NOW_OR_NEVER = {"x-gateway-max-wait": "0"}
MANY = 12
SOME = 3
TTFT_S = 0.15
"""Longer than it takes for MANY calls to arrive, so that none ends before all were decided."""
each = pytest.mark.parametrize("speech", ALL, ids=str)


def counted(answers: Sequence[Answer]) -> Counter[tuple[int, str]]:
    return Counter((one.status, one.reason) for one in answers)


def text_of(stream: bytes) -> str:
    """The text of a stream in any dialect."""
    return "".join(json.loads(f'"{one}"') for one in _TEXT.findall(stream.decode()))


_TEXT = re.compile(r'"(?:text|content)":"((?:[^"\\\\]|\\\\.)*)"')


@each
async def test_parallel_calls_of_an_agent_get_no_more_slots_than_it_has(
    provider: RunningSimulator, store_url: str, speech: Speech
) -> None:
    """Field notes 2, 3 and 10: check and take are one step, for streams as well."""
    async with ground(provider, store_url, budget=Budget(concurrency=SOME), ttft_s=TTFT_S) as here:
        answers = await asyncio.gather(
            *(here.alice.say(speech, extra=NOW_OR_NEVER) for _ in range(MANY))
        )
        assert counted(answers) == {(200, ""): SOME, (429, "agent_budget"): MANY - SOME}
        assert here.simulator.state.ledger.peak_concurrency == SOME
        patient = await asyncio.gather(*(here.alice.say(speech) for _ in range(2 * SOME)))
        assert counted(patient) == {(200, ""): 2 * SOME}
        assert here.simulator.state.ledger.peak_concurrency == SOME


@each
async def test_parallel_calls_get_no_more_slots_than_a_lane_has(
    provider: RunningSimulator, store_url: str, speech: Speech
) -> None:
    """Field notes 2 and 3, for lanes."""
    async with ground(
        provider,
        store_url,
        lane=(speech, LaneLimits(concurrency=SOME)),
        provider=Limits(concurrency=SOME),
        ttft_s=TTFT_S / 5,
    ) as here:
        answers = await asyncio.gather(*(here.alice.say(speech) for _ in range(MANY)))
        assert counted(answers) == {(200, ""): MANY}
        assert here.simulator.state.ledger.peak_concurrency == SOME
        assert here.refused_by_provider == 0


@each
async def test_parallel_calls_of_an_agent_stay_within_its_requests(
    provider: RunningSimulator, store_url: str, speech: Speech
) -> None:
    """Field notes 1 to 3: requests per minute."""
    async with ground(provider, store_url, budget=Budget(rpm=SOME)) as here:
        answers = await asyncio.gather(
            *(here.alice.say(speech, extra=NOW_OR_NEVER) for _ in range(MANY))
        )
        assert counted(answers) == {(200, ""): SOME, (429, "agent_budget"): MANY - SOME}
        assert here.simulator.state.ledger.totals.requests == SOME


@each
async def test_parallel_calls_of_an_agent_fill_its_tokens_and_no_more(
    provider: RunningSimulator, store_url: str, speech: Speech
) -> None:
    """Field notes 2 and 3: tokens per minute are held before they are used."""
    limit = 1000
    async with ground(provider, store_url, budget=Budget(tpm=limit), ttft_s=TTFT_S) as here:
        calls = [
            asyncio.ensure_future(here.alice.say(speech, 200, extra=NOW_OR_NEVER))
            for _ in range(MANY)
        ]
        await until(lambda: here.simulator.state.ledger.in_flight > 0, "a call at the provider")
        held = await here.books.inspect_agent("alice")
        answers = await asyncio.gather(*calls)
        admitted = counted(answers)[200, ""]
        reserved = held.held_input + held.held_output
        assert reserved <= limit < reserved * (admitted + 1) / admitted
        assert counted(answers)[429, "agent_budget"] == MANY - admitted


@pytest.mark.parametrize("replicas", [1, 3])
async def test_replicas_share_one_limit(
    provider: RunningSimulator, store_url: str, replicas: int
) -> None:
    """Field note 1: three replicas and one key: the sum stays within the limit."""
    async with ground(
        provider, store_url, budget=Budget(rpm=SOME), replicas=replicas, ttft_s=TTFT_S
    ) as here:
        answers = await asyncio.gather(
            *(one.say(speech, extra=NOW_OR_NEVER) for one in here.agents for speech in ALL)
        )
        assert counted(answers)[200, ""] == SOME
        assert here.simulator.state.ledger.totals.requests == SOME


async def test_a_team_shares_one_limit(provider: RunningSimulator, store_url: str) -> None:
    """Field notes 1 and 3, for teams: two members, one budget."""
    async with ground(provider, store_url, team=Budget(rpm=SOME)) as here:
        bob = here.alice.as_bob()
        answers = await asyncio.gather(
            *(one.say(ANTHROPIC, extra=NOW_OR_NEVER) for one in (here.alice, bob) for _ in range(4))
        )
        assert counted(answers) == {(200, ""): SOME, (429, "team_budget"): 8 - SOME}


@pytest.mark.parametrize(
    ("speech", "limits"),
    [
        (ANTHROPIC, LaneLimits(rpm=4)),
        (ANTHROPIC, LaneLimits(itpm=60)),
        (ANTHROPIC, LaneLimits(otpm=900)),
        (OPENAI, LaneLimits(rpm=4)),
        (OPENAI, LaneLimits(tpm=900)),
        (GEMINI, LaneLimits(rpm=4)),
        (GEMINI, LaneLimits(itpm=60)),
    ],
    ids=str,
)
async def test_parallel_calls_stay_within_a_lanes_limits(
    provider: RunningSimulator, store_url: str, speech: Speech, limits: LaneLimits
) -> None:
    """Field notes 2, 3 and 11: each dimension as that provider counts it; it refuses nothing."""
    own = Limits(rpm=limits.rpm, itpm=limits.itpm, otpm=limits.otpm, tpm=limits.tpm)
    async with ground(
        provider, store_url, lane=(speech, limits), provider=own, ttft_s=TTFT_S
    ) as here:
        answers = await asyncio.gather(
            *(here.alice.say(speech, 200, extra=NOW_OR_NEVER) for _ in range(MANY))
        )
        refused = counted(answers)[429, "queue_timeout"]
        assert 0 < refused < MANY
        assert counted(answers)[200, ""] == MANY - refused
        assert here.refused_by_provider == 0
        lane = await here.books.inspect_lane(LANE)
        charged = [sum(amounts) for amounts in zip(*lane.ledger[1:], strict=True)]
        for limit, amount in zip(lane.limits, charged, strict=True):
            assert limit < 0 or amount <= limit


@pytest.mark.parametrize("speech", STREAMED, ids=str)
async def test_a_slot_is_held_to_the_last_byte_of_a_stream(
    provider: RunningSimulator, store_url: str, speech: Speech
) -> None:
    """Field note 2: the slot is not free when the head is out, nor after the first event."""
    async with ground(
        provider, store_url, budget=Budget(concurrency=1), tokens_per_s=200, chunk_tokens=4
    ) as here:
        async with here.alice.hear(speech, 60) as response:
            pieces = response.aiter_bytes()
            await anext(pieces)
            early = await here.alice.say(speech, extra=NOW_OR_NEVER)
            assert (early.status, early.reason) == (429, "agent_budget")
            assert here.simulator.state.ledger.in_flight == 1
            async for _ in pieces:
                pass
        late = await here.alice.say(speech, extra=NOW_OR_NEVER)
        assert late.status == 200


@each
async def test_a_counter_moves_by_exactly_the_tokens_reported(
    provider: RunningSimulator, store_url: str, speech: Speech
) -> None:
    """Field note 4: one unit for each token, not for each request; held and spent end apart."""
    async with ground(provider, store_url, budget=Budget(tpm=100_000, rpm=100)) as here:
        for tokens in (1, 7, 250):
            await here.alice.say(speech, tokens, prompt="word " * tokens, most=4 * tokens)
        used = here.simulator.state.ledger.totals.used
        budget = await here.books.inspect_agent("alice")
        assert budget.tokens == used.input_tokens + used.output_tokens
        assert (budget.requests, budget.in_flight) == (3, 0)
        assert (budget.held_input, budget.held_output, budget.held_requests) == (0, 0, 0)
        reserved, settled, released, expired = budget.ledger
        assert reserved == [sum(x) for x in zip(settled, released, expired, strict=True)]
        assert settled[1] == budget.tokens
        assert budget.spent_day == settled[2] > 0


async def test_held_and_spent_are_two_numbers(provider: RunningSimulator, store_url: str) -> None:
    """Field note 5: what a call may still use is shown apart from what was used."""
    async with ground(provider, store_url, budget=Budget(tpm=10_000), tokens_per_s=400) as here:
        async with here.alice.hear(STREAMED[0], 100) as response:
            pieces = response.aiter_bytes()
            await anext(pieces)
            during = await here.books.inspect_agent("alice")
            assert (during.in_flight, during.held_requests, during.held_output) == (1, 1, 100)
            assert during.spent_day == 0
            async for _ in pieces:
                pass
        after = await here.books.inspect_agent("alice")
        assert (after.in_flight, after.held_requests, after.held_output) == (0, 0, 0)
        assert after.spent_day > 0


@pytest.mark.parametrize("speech", [ANTHROPIC, GEMINI], ids=str)
async def test_a_large_maximum_does_not_hold_a_budget(
    provider: RunningSimulator, store_url: str, speech: Speech
) -> None:
    """Field note 5: agents ask for 32,000 tokens and use 50; a learned quantile is held."""
    async with ground(provider, store_url, budget=Budget(tpm=40_000), ttft_s=TTFT_S) as here:
        answers = await asyncio.gather(
            *(here.alice.say(speech, 50, most=32_000, extra=NOW_OR_NEVER) for _ in range(MANY))
        )
        assert counted(answers) == {(200, ""): MANY}


@pytest.mark.parametrize("limit", ["agent", "lane"])
@pytest.mark.parametrize("speech", WHOLE, ids=str)
async def test_a_limit_that_one_call_fits_always_lets_it_through(
    provider: RunningSimulator, store_url: str, speech: Speech, limit: str
) -> None:
    """Field note 7: small limits are slow, never shut."""
    async with ground(provider, store_url, budget=Budget(tpm=10_000)) as here:
        await here.alice.say(speech, 100)
        budget = await here.books.inspect_agent("alice")
        lane = await here.books.inspect_lane(f"{speech.provider}/{speech.model}")
        need = budget.ledger[0][1]
        _, itpm, otpm, tpm = (amounts or None for amounts in lane.ledger[0])
    own = {"openai": LaneLimits(1, tpm=tpm), "gemini": LaneLimits(1, itpm)}
    limits = own.get(speech.dialect, LaneLimits(1, itpm, otpm))
    tight = Budget(rpm=1, tpm=need) if limit == "agent" else Budget()
    async with ground(
        provider,
        store_url,
        budget=tight,
        lane=(speech, limits) if limit == "lane" else None,
        minute_s=0.25,
    ) as here:
        for _ in range(3):
            answer = await here.alice.say(speech, 100)
            assert answer.status == 200, answer.body


@pytest.mark.parametrize("speech", STREAMED, ids=str)
async def test_a_disconnected_client_is_billed_for_what_was_streamed(
    provider: RunningSimulator, store_url: str, speech: Speech
) -> None:
    """Field note 9: in every dialect, and its slot is free at once."""
    async with ground(
        provider,
        store_url,
        budget=Budget(tpm=100_000, concurrency=1),
        tokens_per_s=4000,
        chunk_tokens=16,
    ) as here:
        heard = b""
        async with here.alice.hear(speech, 2000) as response:
            async for piece in response.aiter_bytes():
                heard += piece
                if len(text_of(heard)) > 1500:
                    break
        ledger = here.simulator.state.ledger
        await until(lambda: ledger.in_flight == 0, "the provider to be left")
        assert (await here.alice.say(speech)).status == 200
        left, whole = ledger.log
        assert left.finish == "gone"
        budget = await here.books.inspect_agent("alice")
        billed = budget.tokens - whole.input_tokens - whole.output_tokens
        output_tokens = billed - left.input_tokens
        assert output_tokens >= 0.95 * count_tokens(text_of(heard))  # known by its bytes only
        assert output_tokens <= 1.3 * left.output_tokens
        assert budget.in_flight == 0


@pytest.mark.parametrize("speech", WHOLE, ids=str)
async def test_a_client_that_leaves_an_unfinished_answer_is_not_refunded(
    provider: RunningSimulator, store_url: str, speech: Speech
) -> None:
    """Field note 9: the provider may charge all of it, so what was reserved counts as used."""
    async with ground(provider, store_url, budget=Budget(tpm=10_000), ttft_s=5.0) as here:
        call = asyncio.ensure_future(here.alice.say(speech, 100))
        await until(lambda: here.simulator.state.ledger.in_flight == 1, "a call at the provider")
        held = await here.books.inspect_agent("alice")
        call.cancel()
        await until(lambda: here.simulator.state.ledger.in_flight == 0, "the provider to be left")
        budget = await here.books.inspect_agent("alice")
        assert budget.tokens == held.held_input + held.held_output > 100
        assert (budget.in_flight, budget.held_output) == (0, 0)
