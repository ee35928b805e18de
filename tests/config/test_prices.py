"""Prices of one's own, and how long the accounts are kept, as the file gives them."""

from datetime import date
from pathlib import Path

import pytest

from gateway.config import ConfigError, load_text
from gateway.config.settings import PriceSettings, Settings, UsageSettings
from gateway.core.price_table import ALWAYS, Card, Entry, Price, PriceTable, Rates

PROVIDERS = "providers: {claude: {dialect: anthropic, api_key: none}}\n"


def read(text: str) -> Settings:
    return load_text((PROVIDERS + text).encode(), {}, folder=Path())


def test_nothing_is_overridden_unless_it_is_given() -> None:
    settings = read("")
    assert settings.prices == PriceSettings()
    assert settings.usage == UsageSettings(90 * 86_400.0, 5_000)


def test_what_is_left_out_of_a_price_costs_as_input() -> None:
    (entry,) = read('prices: [{models: ["llama-*"], input: 0.5, output: 2}]').prices.entries
    half, two = 500_000, 2_000_000
    card = Card(Rates(half, half, half, half, two))
    (price,) = entry.prices
    assert (entry.models, price.standard, price.since) == (("llama-*",), card, ALWAYS)
    assert price.tiers["batch"] == price.tiers["flex"] == card.times(500)
    assert price.tiers["priority"] == card


def test_everything_of_a_price_may_be_given() -> None:
    (entry,) = read(
        "prices: [{models: [m], since: 2026-12-01, input: 2, output: 10, cache_read: 0.1, "
        "cache_write: 2.5, cache_write_long: 4, long_above: 100000, long_output: 2, "
        "priority: 1.75, web_search: 0.01}]"
    ).prices.entries
    rates = Rates(2_000_000, 100_000, 2_500_000, 4_000_000, 10_000_000)
    card = Card(rates, rates.times(2_000, 2_000), 100_000)
    assert entry.prices == (
        Price(
            card,
            date(2026, 12, 1),
            {"batch": card.times(500), "flex": card.times(500), "priority": card.times(1750)},
            10_000,
            "configuration",
        ),
    )


def test_a_price_of_two_days_is_two_entries() -> None:
    entries = read(
        "prices:\n"
        "  - {models: [m], input: 1, output: 1}\n"
        "  - {models: [m], since: 2027-01-01, input: 3, output: 3}\n"
    ).prices.entries
    table = PriceTable(entries)
    before, after = (table.find("m", date(year, 6, 1)) for year in (2026, 2027))
    assert before is not None
    assert after is not None
    assert (before.standard.rates.input, after.standard.rates.input) == (1_000_000, 3_000_000)
    assert all(isinstance(entry, Entry) for entry in entries)


def test_the_default_for_unknown_models_may_be_given_in_part() -> None:
    unknown = read("unpriced: {input: 10, output: 50}").prices.unknown
    assert (unknown.input, unknown.output, unknown.cache_read) == (10_000_000, 50_000_000, 500_000)


def test_how_the_accounts_are_kept_may_be_given() -> None:
    assert read("usage: {keep: 30d, max_rows: 200}").usage == UsageSettings(30 * 86_400.0, 200)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prices: [{models: [m], output: 1}]", "prices[0].input: input is missing"),
        ("prices: [{input: 1, output: 1}]", "prices[0].models: models is missing"),
        ("prices: [{models: [m], input: -1, output: 1}]", "a negative number makes no sense"),
        ("prices: [{models: [m], input: 1, output: 1, since: soon}]", "'soon' is not a day"),
        ("prices: [{models: [m], input: 1, output: 1, long_above: 0}]", "at least 1"),
        ("usage: {max_rows: 1}", "at least 100"),
    ],
)
def test_what_makes_no_sense_is_said(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as faults:
        read(text)
    shown = "\n".join(f"{fault.field}: {fault.message}" for fault in faults.value.faults)
    assert said.replace("'", "") in shown.replace("'", "").replace('"', "")
