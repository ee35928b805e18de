"""The whole demo as a real process, shortened."""

import json
from pathlib import Path

import pytest

from tests.cli.gateway_command import Outcome, gateway


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("demo")
    done = gateway("demo", "--seconds", "4", "--json", folder=folder)
    assert done.code == 0, done.err
    return done


def test_it_prints_nothing_but_json_on_standard_output(outcome: Outcome) -> None:
    assert set(json.loads(outcome.out)) >= {"straight", "gateway", "agents"}
    assert "Through the gateway" in outcome.err


def test_the_fleet_meets_429s_straight_at_the_providers(outcome: Outcome) -> None:
    straight = outcome.json["straight"]
    assert straight["provider_429s"] > 0
    assert straight["wasted_requests"] >= straight["provider_429s"]


def test_no_call_fails_through_the_gateway(outcome: Outcome) -> None:
    through = outcome.json["gateway"]
    assert through["failed_calls"] == 0
    assert through["answered_calls"] > 20


def test_every_agent_gets_work_done_and_its_tokens_and_cost_are_known(outcome: Outcome) -> None:
    for name, agent in outcome.json["agents"].items():
        assert agent["gateway"]["tokens"] > 0, name
        assert agent["metered_tokens"] >= agent["gateway"]["tokens"], name
        assert agent["cost_usd"] > 0, name


def test_a_policy_chooses_and_its_decisions_are_explained(outcome: Outcome) -> None:
    routing = outcome.json["routing"]
    calls = {one["call"]: one for one in routing["calls"]}
    easy, hard = calls["a short question"], calls["a list of repairs"]
    assert (easy["answered_by"], hard["answered_by"]) == (routing["simple"], routing["complex"])
    assert calls["a title for the session"]["why"] == "housekeeping (title)"
    assert calls["deep thought"]["why"] == "capability (thinking adaptive)"
    assert calls["a short question, asked as strong"]["why"] == "asked strong"
    assert 0.0 < routing["saved_share"] < 1.0
    assert all(one["cost_microusd"] <= one["stay_microusd"] for one in routing["calls"])


def test_it_leaves_nothing_in_the_working_folder(tmp_path: Path) -> None:
    done = gateway(
        "demo", "--seconds", "2", "--agents", "3", folder=tmp_path, env={"COLUMNS": "120"}
    )
    assert done.code == 0, done.err
    assert "By agent" in done.out
    assert "Routed by a policy" in done.out
    assert "\x1b" not in done.out
    assert not list(tmp_path.iterdir())
