"""docs/configuration.md and the schema say the same, and its examples load."""

import re
from pathlib import Path

import pytest
import yaml

from gateway.config import effective, load_text
from gateway.config.manual import SCHEMA
from gateway.config.reading import Plain
from gateway.config.schema import pending_settings, rows

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
ENVIRONMENT = {
    "ANTHROPIC_API_KEY": "one",
    "OPENAI_API_KEY": "two",
    "GEMINI_API_KEY": "three",
    "REVIEWER_KEY": "reviewer-key",
}


def rows_of_the_page() -> list[str]:
    """Table rows whose first cell is a setting, whatever table they are in."""
    tables = PAGE.split("| setting | type | default | meaning |\n| --- | --- | --- | --- |\n")[1:]
    return [
        line for table in tables for line in table.split("\n\n")[0].splitlines() if line.strip()
    ]


def test_the_page_lists_exactly_the_settings_of_the_schema() -> None:
    expected = {
        f"| `{row.path}` | {row.type} | {row.default or '-'} | {row.meaning} |"
        for row in rows(SCHEMA)
    }
    found = rows_of_the_page()
    assert len(found) == len(set(found))
    assert set(found) == expected


def test_the_defaults_on_the_page_are_those_in_force() -> None:
    """A default that reads as a value must mean what an empty configuration means."""
    text = """
    providers: {PROVIDER: {dialect: anthropic, api_key: none}}
    lanes: {LANE: {provider: PROVIDER, models: ["*"]}}
    teams: {TEAM: {}}
    agents: {AGENT: {}}
    routes: [{simple: m}]
    prices: [{models: ["*"], input: 1, output: 2}]
    """
    bare = load_text(text.encode(), {}, folder=Path())
    with_defaults = load_text(yaml.safe_dump(_defaults()).encode(), {}, folder=Path())
    assert _values(effective(with_defaults)) == _values(effective(bare))


def _defaults() -> dict[str, object]:
    root: dict[str, object] = {}
    given = {
        "providers.PROVIDER.dialect": "anthropic",
        "providers.PROVIDER.api_key": "none",
        "lanes.LANE.provider": "PROVIDER",
        "lanes.LANE.models": ["*"],
        "routes[].simple": "m",
        "prices[].models": ["*"],
        "prices[].input": "1",
        "prices[].output": "2",
    }
    for row in rows(SCHEMA):
        default = re.fullmatch(r"`(.*)`", row.default)
        value = given.get(row.path, yaml.safe_load(f"'{default[1]}'") if default else None)
        if row.path == "agents.AGENT.models":
            value = ["*"]
        if value is None:
            continue
        place = root
        *parents, last = row.path.split(".")
        for parent in parents:
            inner = place.setdefault(parent, {})
            assert isinstance(inner, dict)
            place = inner
        place[last] = value
    for listing in ("routes", "prices"):
        root[listing] = [root.pop(f"{listing}[]")]
    return root


def _values(shown: Plain) -> Plain:
    if isinstance(shown, dict):
        if set(shown) == {"value", "origin"}:
            return shown["value"]
        return {key: _values(inner) for key, inner in shown.items()}
    if isinstance(shown, list):
        return [_values(inner) for inner in shown]
    return shown


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_loads(text: str) -> None:
    context: dict[str, object] = {
        "providers": {
            "claude": {"dialect": "anthropic", "api_key": "none"},
            "openai": {"dialect": "openai", "api_key": "none"},
        }
    }
    if "providers:" not in text:
        text += yaml.safe_dump(context)
    load_text(text.encode(), ENVIRONMENT, folder=Path())


def test_the_complete_example_sets_what_it_says() -> None:
    settings = load_text(EXAMPLES[0].encode(), ENVIRONMENT, folder=Path())
    assert settings.admin_token is None
    assert set(settings.topology.providers) == {"claude", "openai", "gemini", "local"}
    assert settings.topology.lanes["sonnet"].limits.itpm == 80_000
    assert settings.topology.agents["reviewer"].budget.tpm == 16_000
    assert settings.agent_keys == {"reviewer": "reviewer-key"}
    assert not settings.notes


def test_every_setting_acts() -> None:
    assert not set(pending_settings(SCHEMA))
    assert "not acted on" not in PAGE


def test_the_faults_on_the_page_are_worded_as_they_are_told() -> None:
    for wording in (
        "Did you mean claude?",
        "unknown setting. Did you mean tpm?",
        "is not set. Set",
    ):
        assert wording in PAGE
