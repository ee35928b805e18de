import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects.openai.codec import OpenAICodec
from gateway.dialects.openai.headers import duration_s, fields, retry_after_s
from gateway.domain.limits import Dimension, Headroom

CODEC = OpenAICodec()


def limits(**values: str) -> list[tuple[bytes, bytes]]:
    return [
        (f"X-RateLimit-{name.replace('_', '-')}".encode(), value.encode())
        for name, value in values.items()
    ]


DURATIONS = {
    "1s": 1.0,
    "6m0s": 360.0,
    "120ms": 0.12,
    "1m30s": 90.0,
    "8.64s": 8.64,
    "1h2m3.5s": 3723.5,
    ".5s": 0.5,
    "7m12s": 432.0,
    "0s": 0.0,
    "250µs": 0.00025,
    "3ns": 3e-9,
    "": None,
    "5": None,
    "1x": None,
    "1s ": None,
    "a1s": None,
    "-1s": None,
    "9" * 400 + "s": None,
}


@pytest.mark.parametrize(("text", "seconds"), DURATIONS.items())
def test_go_durations(text: str, seconds: float | None) -> None:
    assert duration_s(text) == (None if seconds is None else pytest.approx(seconds))


ROOM: dict[str, tuple[list[tuple[bytes, bytes]], tuple[Headroom, ...]]] = {
    "nothing told": ([(b"content-type", b"text/plain")], ()),
    "the documented sample": (
        limits(
            limit_requests="60",
            remaining_requests="59",
            reset_requests="1s",
            limit_tokens="150000",
            remaining_tokens="149984",
            reset_tokens="6m0s",
        ),
        (Headroom(Dimension.RPM, 60, 59), Headroom(Dimension.TPM, 150000, 149984)),
    ),
    "a tighter project limit": (
        limits(
            limit_tokens="150000",
            remaining_tokens="149984",
            limit_project_tokens="60000",
            remaining_project_tokens="57000",
        ),
        (Headroom(Dimension.TPM, 60000, 57000),),
    ),
    "an organisation with less left than the project": (
        limits(
            limit_tokens="150000",
            remaining_tokens="10",
            limit_project_tokens="60000",
            remaining_project_tokens="57000",
        ),
        (Headroom(Dimension.TPM, 60000, 10),),
    ),
    "only what is left": (limits(remaining_tokens="7"), (Headroom(Dimension.TPM, None, 7),)),
    "only the limit": (limits(limit_requests="7"), (Headroom(Dimension.RPM, 7, None),)),
    "requests per day are no requests per minute": (
        limits(limit_requests="10000", remaining_requests="9999", reset_requests="8.64s"),
        (),
    ),
    "a reset rounded up to a second is still a minute": (
        limits(limit_requests="10000", remaining_requests="9999", reset_requests="1s"),
        (Headroom(Dimension.RPM, 10000, 9999),),
    ),
    "no numbers": (
        limits(limit_requests="many", remaining_requests="-1", limit_tokens="9" * 40),
        (),
    ),
}


@pytest.mark.parametrize(("headers", "room"), ROOM.values(), ids=ROOM.keys())
def test_headroom(headers: list[tuple[bytes, bytes]], room: tuple[Headroom, ...]) -> None:
    assert CODEC.headroom(headers) == room


DELAYS = {
    "milliseconds first": ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
    "seconds": ({"retry-after": "2.5"}, 2.5),
    "unreadable milliseconds": ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
    "a date": ({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, 40.0),
    "a date gone by": ({"retry-after": "Thu, 01 Jan 1970 00:00:10 GMT"}, 0.0),
    "nothing": ({}, None),
    "nonsense": ({"retry-after": "soon"}, None),
    "not a number": ({"retry-after": "nan"}, None),
    "no end": ({"retry-after": "inf"}, None),
    "the past": ({"retry-after": "-3"}, None),
}


@pytest.mark.parametrize(("told", "seconds"), DELAYS.values(), ids=DELAYS.keys())
def test_retry_after(told: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(told, now=60.0) == seconds


def test_the_first_of_a_repeated_field_counts() -> None:
    assert fields([(b"A", b" 1 "), (b"a", b"2")]) == {"a": "1"}


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([b"x-ratelimit-limit-requests", b"Retry-After"]), st.binary())
    )
)
def test_any_header_value_is_survived(headers: list[tuple[bytes, bytes]]) -> None:
    CODEC.headroom(headers)
    retry_after_s(fields(headers), now=0.0)
