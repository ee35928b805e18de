"""`gateway plan` from given figures: what it takes, and what it says of figures that make no sense.

What it prints is on docs/capacity.md, which a test runs again.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli.main import app

CONFIG = """\
providers: {openai: {dialect: openai, api_key: none}}
lanes: {mini: {provider: openai, models: ["gpt-*"], limits: {rpm: 100, tpm: 100000}, margin: 0}}
prices: [{models: [house-model], input: 1, output: 2, cache_read: 0.5}]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "gateway.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Any:
    done = CliRunner().invoke(app, ["plan", *arguments, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_lane_of_the_configuration_brings_its_limits_and_its_rules() -> None:
    found = run("lane", "mini", "--input", "500", "--cached", "500", "--output", "100",
                "--max-output", "4000", "--per-minute", "2")  # fmt: skip
    # OpenAI charges the maximum asked for: 100,000 / 4,000 / 2; requests would carry 50.
    assert (found["binding"], found["agents"]) == ("tpm", 12)
    assert [bound["agents"] for bound in found["bounds"]] == [12.5, 50.0]
    # A limit that is given goes before the lane's.
    assert run("lane", "mini", "--input", "500", "--rpm", "10")["agents"] == 10


def test_prices_of_the_configuration_count() -> None:
    found = run("month", "--model", "house-model", "--input", "1000", "--cached", "1000",
                "--output", "1000", "--calls", "1000")  # fmt: skip
    assert found["planned"] == 1000 * (1000 * 1 + 1000 * 0.5 + 1000 * 2)
    assert found["uncached"] == 1000 * (2000 * 1 + 1000 * 2)


def test_prices_of_another_day_count() -> None:
    def planned(day: str) -> int:
        return int(run("month", "--model", "gemini-4-argon", "--input", "1000", "--calls", "1000",
                       "--on", day)["planned"])  # fmt: skip

    assert planned("2026-12-01") == 2 * planned("2026-11-30") == 4_000_000


def test_machines_are_planned_beside_the_calls() -> None:
    found = run("local", "--at", "1/1", "--input", "1000", "--calls", "1000000",
                "--session-vram", "10", "--sessions", "8", "--gpu-vram", "24",
                "--gpu-usd", "3600", "--gpu-watts", "0")  # fmt: skip
    assert (found["vram_gb"], found["gpus"]) == (88.0, 4)
    assert found["hardware_microusd"] == 4 * 100 * 1_000_000
    assert found["calls_microusd"] == 1_000 * 1_000_000
    assert found["break_even"] == 400_000
    assert found["payback_months"] == 14.4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("lane", "maxi", "--input", "1"), "there is no lane maxi"),
        (("lane", "--input", "1"), "none of the limits"),
        (("lane", "--rpm", "0"), "--rpm"),
        (("month", "--input", "1"), "name a model"),
        (("month", "--model", "gpt-99", "--input", "1"), "nobody knows the price of gpt-99"),
        (("month", "--at", "3", "--input", "1"), "write it like 3/15"),
        (("month", "--at", "-3/15", "--input", "1"), "write it like 3/15"),
        (("month", "--model", "gpt-5", "--on", "soon", "--input", "1"), "write a day"),
        (("local", "--at", "1/1", "--input", "1"), "--session-vram"),
    ],
)
def test_figures_that_make_no_sense_are_said(arguments: tuple[str, ...], said: str) -> None:
    done = CliRunner().invoke(app, ["plan", *arguments])
    assert done.exit_code == 2
    assert said in " ".join(done.output.replace("│", " ").split())
