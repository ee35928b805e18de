"""Estimates are close after twenty calls, on real texts and real tokenizers."""

import pytest

from tests.bench.estimates import KINDS, judge, tokenizers

TOKENIZERS = tokenizers()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["simulator", "o200k_base"])
def test_input_is_within_five_percent_and_output_within_its_quantile(name: str, kind: str) -> None:
    found = judge(kind, TOKENIZERS[name], 120)
    assert found.error < 0.05
    assert 0.68 <= found.covered <= 0.9
    assert found.bounded >= 0.88
