"""Rate-limit headers."""

import pytest

from gateway.dialects.anthropic import headers
from gateway.domain.limits import Dimension, Headroom

NOW = 1_795_528_800.0  # Tue, 24 Nov 2026 14:00:00 GMT


def test_each_limit_of_the_lane_is_read() -> None:
    told = [
        (b"content-type", b"application/json"),
        (b"anthropic-ratelimit-requests-limit", b"50"),
        (b"anthropic-ratelimit-requests-remaining", b"49"),
        (b"anthropic-ratelimit-requests-reset", b"2026-11-24T12:00:01Z"),
        (b"Anthropic-RateLimit-Input-Tokens-Limit", b"80000"),
        (b"anthropic-ratelimit-input-tokens-remaining", b"79000"),
        (b"anthropic-ratelimit-output-tokens-remaining", b"16000"),
        (b"anthropic-ratelimit-tokens-limit", b"96000"),
        (b"anthropic-ratelimit-tokens-remaining", b"95000"),
    ]
    assert headers.headroom(told) == (
        Headroom(Dimension.RPM, 50, 49),
        Headroom(Dimension.ITPM, 80_000, 79_000, 1_000),
        Headroom(Dimension.OTPM, None, 16_000, 1_000),
    )


@pytest.mark.parametrize(
    "name",
    [
        b"anthropic-priority-input-tokens-remaining",
        b"anthropic-fast-output-tokens-remaining",
        b"anthropic-ratelimit-unified-status",
        b"anthropic-ratelimit-tokens-remaining",
        b"x-ratelimit-remaining-requests",
    ],
)
def test_other_buckets_are_not_the_lanes(name: bytes) -> None:
    assert headers.headroom([(name, b"0")]) == ()


@pytest.mark.parametrize("value", [b"", b"many", b"-3", b"1.5", b"9" * 40])
def test_a_count_that_is_none_is_overlooked(value: bytes) -> None:
    assert headers.headroom([(b"anthropic-ratelimit-requests-limit", value)]) == ()


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ([], None),
        ([(b"retry-after", b"12")], 12.0),
        ([(b"Retry-After", b"0.5")], 0.5),
        ([(b"retry-after", b"9"), (b"retry-after-ms", b"1500")], 1.5),
        ([(b"retry-after", b"Tue, 24 Nov 2026 14:00:30 GMT")], 30.0),
        ([(b"retry-after", b"Tue, 24 Nov 2020 14:00:30 GMT")], 0.0),
        ([(b"retry-after", b"soon")], None),
        ([(b"retry-after", b"-1")], None),
        ([(b"retry-after", b"inf")], None),
        ([(b"retry-after", b"nan")], None),
    ],
)
def test_retry_after_is_read_as_the_sdks_read_it(
    told: list[tuple[bytes, bytes]], seconds: float | None
) -> None:
    assert headers.retry_after_s(told, NOW) == seconds
