"""Months, machines and teams by hand."""

from math import inf

import pytest

from gateway.core.capacity import Interaction
from gateway.core.cost_planning import (
    Machines,
    flat_price,
    local,
    month,
    team_tokens,
)
from gateway.core.price_table import Card, Price, Rates

MILLION = 1_000_000
SONNET = Price(Card(Rates(3_000_000, 300_000, 3_750_000, 6_000_000, 15_000_000)))
HAIKU = Price(Card(Rates(1_000_000, 100_000, 1_250_000, 2_000_000, 5_000_000)))
EACH = Interaction(2_000, 30_000, 1_000, 800)


def test_the_published_estimate_of_12_000_dollars_is_12() -> None:
    """1.6 M tokens a month at $3 and $15 a million: 1.0 M in and 0.6 M out are $3 + $9."""
    price = flat_price(3, 15)
    each = Interaction(10_000, output_tokens=6_000)
    assert month(100, each, price).planned == 12 * MILLION
    # No division of 1.6 M tokens comes near $12,000: all output would be $24.
    all_output = Interaction(0, output_tokens=16_000)
    assert month(100, all_output, price).planned == 24 * MILLION


def test_a_month_with_and_without_what_makes_it_cheaper() -> None:
    found = month(1_000, EACH, SONNET, cheaper=HAIKU, route_share=0.4, batch_share=0.5)
    plain = 2_000 * 3 + 30_000 * 0.3 + 1_000 * 3.75 + 800 * 15  # 30,750 micro-dollars each
    cheap = 2_000 * 1 + 30_000 * 0.1 + 1_000 * 1.25 + 800 * 5  # 10,250
    assert found.planned == 1_000 * plain
    assert found.uncached == 1_000 * (33_000 * 3 + 800 * 15)
    assert found.routed == 1_000 * (0.6 * plain + 0.4 * cheap)
    assert found.batched == 1_000 * 0.75 * plain
    assert found.all_savings == 1_000 * 0.75 * (0.6 * plain + 0.4 * cheap)
    assert (found.short, found.long) == (found.planned, False)


def test_a_long_prompt_costs_more_than_a_short_one_and_is_said() -> None:
    card = Card(SONNET.standard.rates, SONNET.standard.rates.times(2_000, 1_500), 32_999)
    found = month(10, EACH, Price(card))
    assert found.long
    assert found.short == 10 * 30_750
    assert found.planned == 10 * ((2_000 * 3 + 30_000 * 0.3 + 1_000 * 3.75) * 2 + 800 * 22.5)


def test_machines_by_hand() -> None:
    machines = Machines(
        session_vram_gb=6, sessions=20, gpu_vram_gb=80, gpu_usd=30_000, months=36, watts=700,
        usd_per_kwh=0.3, hours=730,
    )  # fmt: skip
    found = local(machines, 100_000, 3_000 * MILLION)
    assert found.vram_gb == pytest.approx(6 * 20 * 1.1)  # 132
    assert found.gpus == 2
    assert found.hardware_microusd == round(2 * 30_000 / 36 * MILLION)
    assert found.power_microusd == round(2 * 0.7 * 730 * 0.3 * MILLION)  # $306.60
    # ($1,666.67 + $306.60) / $0.03 a call
    assert found.break_even == pytest.approx((60_000 / 36 + 306.6) / 0.03)
    assert found.payback_months == pytest.approx(60_000 / (3_000 - 306.6))
    assert local(machines, 10, MILLION).payback_months == inf
    assert local(machines, 0, 0).break_even == inf


def test_three_agents_take_four_to_five_times_the_tokens() -> None:
    assert team_tokens(3) == pytest.approx((4, 5))
    assert team_tokens(1) == (1, 1)
    assert team_tokens(6) == pytest.approx((8, 10))
