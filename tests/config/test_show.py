from pathlib import Path

from gateway.config import Settings, effective, load_text, simulated_settings
from gateway.config.manual import SCHEMA
from gateway.config.schema import rows
from gateway.config.show import MASK

FULL = """
listen: 127.0.0.1:9000
state: {url: "redis://:pw-of-redis@h:6379/0?x=y"}
admin: {token: "${TOKEN}"}
providers: {PROVIDER: {dialect: openai}}
lanes: {LANE: {provider: PROVIDER, models: [a, b]}}
teams: {TEAM: {budget: {usd_per_day: 1.5}}}
agents: {AGENT: {team: TEAM, key: "12345678"}}
prices: [{models: [m], input: 1, output: 2, cache_read: 0.5, long_above: 9}]
routes: [{simple: a, match: {priorities: [urgent]}}]
fallbacks: {LANE: [a]}
"""


def full() -> Settings:
    environment = {"TOKEN": "token-12", "OPENAI_API_KEY": "k"}
    return load_text(FULL.encode(), environment, folder=Path())


def leaves(value: object, path: str = "") -> dict[str, dict[str, object]]:
    if isinstance(value, dict) and set(value) == {"value", "origin"}:
        return {path: value}
    found: dict[str, dict[str, object]] = {}
    if isinstance(value, dict):
        for key, inner in value.items():
            found |= leaves(inner, f"{path}.{key}" if path else key)
    if isinstance(value, list):
        for inner in value:
            found |= leaves(inner, f"{path}[]")
    return found


def test_every_setting_of_the_schema_is_shown() -> None:
    assert set(leaves(effective(full()))) == {row.path for row in rows(SCHEMA)}


def test_each_value_tells_its_origin() -> None:
    shown = leaves(effective(full()))
    assert shown["listen"] == {"value": "127.0.0.1:9000", "origin": "gateway.yaml:2"}
    assert shown["minute"] == {"value": 60.0, "origin": "default"}
    assert shown["admin.token"] == {
        "value": MASK,
        "origin": "gateway.yaml:4, environment (TOKEN)",
    }
    assert shown["providers.PROVIDER.api_key"] == {
        "value": MASK,
        "origin": "environment (OPENAI_API_KEY)",
    }
    assert shown["lanes.LANE.models"] == {"value": ["a", "b"], "origin": "gateway.yaml:6"}
    assert shown["teams.TEAM.budget.usd_per_day"]["value"] == 1.5
    assert shown["routes[].simple"]["origin"] == "gateway.yaml:10"


def test_a_store_url_is_shown_without_its_credentials() -> None:
    shown = leaves(effective(full()))
    assert shown["state.url"]["value"] == f"redis://{MASK}@h:6379/0?{MASK}"


def test_settings_made_in_code_are_shown_as_defaults() -> None:
    shown = leaves(effective(simulated_settings("http://127.0.0.1:1")))
    assert shown["providers.claude.base_url"] == {
        "value": "http://127.0.0.1:1",
        "origin": "default",
    }
