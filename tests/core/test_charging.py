"""Charges follow each provider's own rule (provider-facts A4, B5, B12)."""

from dataclasses import replace

import pytest

from gateway.core.charging import actual, expected, refused_upstream
from gateway.core.estimate import Estimate
from gateway.domain.admission import Charge
from gateway.domain.call import CallFacts, Dialect
from gateway.domain.topology import Lane, Provider, default_lane
from gateway.domain.usage import Usage

ANTHROPIC = default_lane(Provider("a", Dialect.ANTHROPIC, ""), "m")
OPENAI = default_lane(Provider("o", Dialect.OPENAI, ""), "m")
GEMINI = default_lane(Provider("g", Dialect.GEMINI, ""), "m")
FACTS = CallFacts(model="m", prompt_bytes=4_000, max_output_tokens=500)
GUESS = Estimate(input_tokens=1_000, cached_tokens=800, output_tokens=300)


@pytest.mark.parametrize(
    ("lane", "counted", "lane_tokens"),
    [
        (ANTHROPIC, 200, 500),  # cache reads are free
        (OPENAI, 1_000, 1_000),  # max(500 requested, 4,000 characters / 4)
        (GEMINI, 1_000, 1_300),  # cached tokens count
    ],
)
def test_expected_charges(lane: Lane, counted: int, lane_tokens: int) -> None:
    charge = expected(lane, FACTS, GUESS, 7)
    assert charge == Charge(1, counted, 300, lane_tokens, counted, 300, 7)


@pytest.mark.parametrize(
    ("asked", "choices", "charged"), [(5_000, 1, 5_000), (500, 4, 2_000), (None, 1, 1_000)]
)
def test_openai_is_charged_the_larger_of_maximum_and_characters(
    asked: int | None, choices: int, charged: int
) -> None:
    facts = replace(FACTS, max_output_tokens=asked, choices=choices)
    assert expected(OPENAI, facts, GUESS, 0).lane_tokens == charged


USAGE = Usage(input_tokens=150, cache_read_tokens=800, cache_write_tokens=50, output_tokens=250)


@pytest.mark.parametrize(("lane", "counted"), [(ANTHROPIC, 200), (OPENAI, 1_000), (GEMINI, 1_000)])
def test_actual_charges_count_what_the_provider_counts(lane: Lane, counted: int) -> None:
    charge = actual(lane, Charge(lane_tokens=999), USAGE, 5)
    assert (charge.lane_input_tokens, charge.input_tokens) == (counted, counted)
    assert (charge.lane_output_tokens, charge.output_tokens) == (250, 250)
    assert charge.cost_microusd == 5
    assert charge.lane_tokens == (999 if lane is OPENAI else counted + 250)


BOUNDED = Estimate(1_000, 800, 300, input_bound=1_100, output_bound=900)


@pytest.mark.parametrize(
    ("hard_tpm", "asked", "held"),
    [
        (None, 500, (200, 300)),  # a lane and a soft budget hold what is expected
        (10_000, 500, (300, 500)),  # the whole maximum, which fits many times
        (1_900, 500, (300, 900)),  # it does not: what recent answers hardly exceed
        (10_000, None, (300, 900)),
        (1_000, 5_000, (300, 700)),  # never larger than the budget as long as the call fits,
        (550, 5_000, (250, 300)),
        (400, 5_000, (200, 300)),  # and never smaller than expected
    ],
)
def test_a_hard_budget_holds_what_a_call_hardly_exceeds(
    hard_tpm: int | None, asked: int | None, held: tuple[int, int]
) -> None:
    facts = replace(FACTS, max_output_tokens=asked)
    charge = expected(ANTHROPIC, facts, BOUNDED, 0, hard_tpm)
    assert (charge.input_tokens, charge.output_tokens) == held
    assert (charge.lane_input_tokens, charge.lane_output_tokens) == (200, 300)


def test_an_error_counts_as_a_request_only() -> None:
    assert refused_upstream(Charge(1, 10, 10, 10, 10, 10, 10)) == Charge(requests=1)
