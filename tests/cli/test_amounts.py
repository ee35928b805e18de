"""Limits, factors, settings and times as they are written on the command line."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import typer

from gateway.cli.amounts import (
    FACTORS,
    factors_of,
    merged,
    read_count,
    read_dollars,
    read_factor,
    read_setting,
    settings_of,
)
from gateway.cli.moments import read_future, read_past
from gateway.cli.windows import DAYS, read_days, read_hours


@pytest.mark.parametrize(
    ("text", "value"),
    [("40000", 40000), ("40k", 40000), ("1.5M", 1_500_000), ("16_000", 16000), ("none", None)],
)
def test_limits_are_short_to_write(text: str, value: int | None) -> None:
    assert read_count(text).value == value


@pytest.mark.parametrize(("text", "value"), [("20", 20), ("$0.5", 0.5), ("None", None)])
def test_amounts_are_dollars(text: str, value: float | None) -> None:
    assert read_dollars(text).value == value


def test_factors_are_for_one_limit_or_for_all() -> None:
    assert factors_of([read_factor("1.5")]) == dict.fromkeys(FACTORS, 1.5)
    assert factors_of([read_factor("2"), read_factor("tpm=0.5")])["tpm"] == 0.5
    assert factors_of(None) == {}


def test_settings_are_paths_and_values() -> None:
    given = ["floors.normal=0.1", "floors.urgent=none", 'models=["a"]', "ramp.after=2m"]
    assert settings_of([read_setting(one) for one in given]) == {
        "floors": {"normal": 0.1, "urgent": None},
        "models": ["a"],
        "ramp": {"after": "2m"},
    }
    assert merged({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}, "d": 4}) == {
        "a": {"b": 3, "c": 2},
        "d": 4,
    }


def test_days_and_hours_of_the_week() -> None:
    assert read_days("mon-wed,sun") == ("mon", "tue", "wed", "sun")
    assert read_days("sat-mon") == ("sat", "sun", "mon")
    assert set(read_days("mon-sun")) == set(DAYS)
    assert read_hours("8:00-18:30") == ("08:00", "18:30")


def test_times_are_written_out_or_said_by_their_distance() -> None:
    assert read_past("2026-11-25T22:00+01:00") == "2026-11-25T21:00:00Z"
    assert read_future("2026-11-25") == "2026-11-25T00:00:00Z"
    ahead = datetime.fromisoformat(read_future("2h")) - datetime.now(UTC)
    ago = datetime.now(UTC) - datetime.fromisoformat(read_past("2h"))
    for distance in (ahead, ago):
        assert timedelta(hours=1, minutes=59) < distance < timedelta(hours=2, minutes=1)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (read_count, "lots"),
        (read_count, "-5"),
        (read_count, "1.5"),
        (read_dollars, "twenty"),
        (read_dollars, "inf"),
        (read_factor, "tpd=2"),
        (read_factor, "0"),
        (read_setting, "weight"),
        (read_setting, "a..b=1"),
        (read_days, "someday"),
        (read_hours, "night"),
        (read_past, "yesterday"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(read: Callable[[str], object], text: str) -> None:
    with pytest.raises(typer.BadParameter):
        read(text)
