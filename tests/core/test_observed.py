"""What the accounts say of a lane's work."""

import pytest

from gateway.core.observed import observed
from gateway.core.price_table import Card, Price, Rates
from gateway.domain.spending import Spent, UsageRow

SONNET = Price(Card(Rates(3_000_000, 300_000, 3_750_000, 6_000_000, 15_000_000)))
SPENT = Spent(
    calls=10, input_tokens=1_000, cache_read_tokens=8_000, cache_write_tokens=1_000,
    cache_write_1h_tokens=400, output_tokens=500, upstream_ms=5_000, cost_microusd=20_000,
)  # fmt: skip


def row(hour: int, lane: str, model: str, agent: str, spent: Spent = SPENT) -> UsageRow:
    return UsageRow(hour * 3600, (lane, "claude", model, agent), spent)


def test_an_agent_counts_once_and_its_pace_is_that_of_its_hours() -> None:
    rows = [row(0, "l", "m", "ann"), row(0, "l", "n", "ann"), row(9, "l", "m", "ann"),
            row(0, "l", "m", "bob")]  # fmt: skip
    (found,) = observed(rows, lambda _provider, _model: SONNET)
    assert (found.agents, found.calls) == (2, 40)
    assert found.per_minute == pytest.approx(40 / (3 * 60))
    assert (found.each.input_tokens, found.each.cache_read_tokens) == (100, 800)
    assert found.each.duration_s == 0.5


def test_without_caches_all_input_is_fresh() -> None:
    (found,) = observed([row(0, "l", "m", "ann")], lambda _provider, _model: SONNET)
    # 8,000 reads at 3 and not 0.3; 600 writes at 3 and not 3.75, 400 at 3 and not 6.
    assert found.uncached_microusd == 20_000 + 8_000 * 2.7 - 600 * 0.75 - 400 * 3
    (unknown,) = observed([row(0, "l", "m", "ann")], lambda _provider, _model: None)
    assert unknown.uncached_microusd == unknown.cost_microusd == 20_000


def test_lanes_come_by_name_and_only_if_something_was_called_there() -> None:
    rows = [row(0, "b", "m", "x"), row(0, "a", "m", "x"), row(0, "c", "m", "x", Spent(refused=1)),
            row(0, "", "m", "x")]  # fmt: skip
    assert [one.lane for one in observed(rows, lambda _p, _m: SONNET)] == ["a", "b"]
