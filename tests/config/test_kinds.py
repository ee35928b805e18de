from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import kinds
from gateway.config.kinds import Kind, Unfit


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (kinds.whole(), "80_000", 80_000),
        (kinds.whole(), "+5", 5),
        (kinds.number(), "0.5", 0.5),
        (kinds.share(), "5%", 0.05),
        (kinds.share(), "0.05", 0.05),
        (kinds.duration(), "500ms", 0.5),
        (kinds.duration(), "120s", 120.0),
        (kinds.duration(), "120 s", 120.0),
        (kinds.duration(), "2m", 120.0),
        (kinds.duration(), "1.5h", 5400.0),
        (kinds.duration(), "1d", 86400.0),
        (kinds.duration(), "7", 7.0),
        (kinds.size(), "32MiB", 32 * 2**20),
        (kinds.size(), "64MB", 64_000_000),
        (kinds.size(), "1.5 GiB", 3 * 2**29),
        (kinds.size(), "17", 17),
        (kinds.dollars(), "0.1", 100_000),
        (kinds.dollars(), "$20", 20_000_000),
        (kinds.dollars(), "0.000001", 1),
        (kinds.flag(), "Yes", True),
        (kinds.flag(), "off", False),
        (kinds.optional(kinds.whole()), "none", None),
    ],
)
def test_a_value_is_read(kind: Kind[object], text: str, expected: object) -> None:
    assert kind.parse(text) == expected


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (kinds.whole(), "1.5"),
        (kinds.whole(), "0x10"),
        (kinds.whole(), "1e3"),
        (kinds.whole(), str(2**53)),
        (kinds.whole(), "9" * 5000),
        (kinds.number(), "nan"),
        (kinds.number(), "inf"),
        (kinds.number(), "1e400"),
        (kinds.number(above=True), "0"),
        (kinds.share(), "91%"),
        (kinds.duration(), "1w"),
        (kinds.duration(), "-1s"),
        (kinds.duration(), "1.2.3s"),
        (kinds.duration(), "2d"),
        (kinds.size(), "-1"),
        (kinds.size(), "1TiB"),
        (kinds.size(), "0"),
        (kinds.dollars(), "1e-9"),
        (kinds.dollars(), "twenty"),
        (kinds.flag(), "1"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(kind: Kind[object], text: str) -> None:
    with pytest.raises(Unfit):
        kind.parse(text)


ALL_KINDS: list[Kind[object]] = [
    kinds.whole(), kinds.number(), kinds.share(), kinds.duration(), kinds.size(), kinds.dollars(),
    kinds.flag(),
]  # fmt: skip


@given(st.sampled_from(ALL_KINDS), st.text() | st.from_regex(r"[-+0-9._eE]{1,12}[a-zA-Z%]{0,3}"))
def test_any_text_is_read_or_refused(kind: Kind[object], text: str) -> None:
    with suppress(Unfit):
        kind.parse(text)


@given(st.integers(0, 10**15))
def test_dollars_are_exact(micro: int) -> None:
    assert kinds.dollars().parse(f"{micro // 10**6}.{micro % 10**6:06d}") == micro
