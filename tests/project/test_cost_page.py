"""docs/cost.md names every correction of the published prices, and the defaults in force."""

from pathlib import Path

import pytest

from gateway.config.settings import UsageSettings
from gateway.core.price_corrections import ENTRIES
from gateway.core.price_table import ALWAYS, Price
from gateway.core.pricing import UNKNOWN_MODEL_RATES
from gateway.dataplane.tags import MAX_TAGS

PAGE = (Path(__file__).parents[2] / "docs" / "cost.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("| `")]
CORRECTIONS = [
    (name, price) for entry in ENTRIES for name in entry.models for price in entry.prices
]


def _is_told(row: str, name: str, price: Price) -> bool:
    day = "always" if price.since == ALWAYS else price.since.isoformat()
    read = f"${price.standard.rates.cache_read / 1_000_000:g}"
    source = price.source.split(",")[0]
    return (
        row.startswith(f"| `{name}` |")
        and (day in row or ("before" in row and price.since == ALWAYS))
        and (read in row or f"{read}0" in row)
        and source in row
    )


@pytest.mark.parametrize(
    ("name", "price"), CORRECTIONS, ids=[f"{name} {price.since}" for name, price in CORRECTIONS]
)
def test_each_correction_stands_on_the_page(name: str, price: Price) -> None:
    assert any(_is_told(row, name, price) for row in ROWS)


def test_the_page_has_no_correction_that_is_none() -> None:
    assert len(ROWS) == len(CORRECTIONS)


def test_the_defaults_on_the_page_are_those_in_force() -> None:
    rates = UNKNOWN_MODEL_RATES
    assert f"${rates.input // 1_000_000} and ${rates.output // 1_000_000} per million" in PAGE
    assert f"({UsageSettings().keep_s / 86_400:.0f} days)" in PAGE
    assert "At most eight tags a call" in PAGE
    assert MAX_TAGS == 8
