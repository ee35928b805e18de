"""No secret in any text that the configuration makes."""

import json
from pathlib import Path

import pytest

from gateway.config import (
    ConfigError,
    configuration_schema,
    effective,
    load_text,
    simulated_settings,
)
from gateway.config.manual import SCHEMA
from gateway.config.schema import rows

SECRET = "s3cr3t-value-of-someone"
GOOD = f"""
state: {{url: "redis://user:{SECRET}@h:6379/0"}}
admin: {{token: {SECRET}-admin}}
providers:
  claude: {{dialect: anthropic, api_key: {SECRET}-claude}}
  openai: {{dialect: openai, api_key: "${{OPENAI_API_KEY}}"}}
agents: {{a: {{key: {SECRET}-a}}}}
"""
BAD = [
    f"admin: {{token: '{SECRET} x'}}",
    f"agents: {{a: {{key: [{SECRET}]}}}}",
    f"agents: {{a: {{key: '{SECRET}\u00e9'}}}}",
    f"agents: {{a: {{key: {SECRET}}}, b: {{key: {SECRET}}}}}",
    f"state: {{url: 'redis:/{SECRET}@h'}}",
    f"providers: {{p: {{dialect: gemini, base_url: 'https://u:{SECRET}@h', api_key: none}}}}",
    f'providers: {{p: {{dialect: gemini, api_key: "{SECRET}\\nx"}}}}',
    "queue: {max_depth: '${LEAK}'}",
    "lanes: {a: {provider: '${LEAK}', models: ['${LEAK}', '${LEAK}']}}",
    "routes: [{simple: m, match: {agents: ['${LEAK}'], teams: '${LEAK}'}}]",
    "agents: {a: {budget: {tpm: '${LEAK}'}, priority: '${LEAK}', team: '${LEAK}'}}",
    f"admin: {{token: *{SECRET}}}",
    f"admin: {{token: !{SECRET}}}",
    f"admin: {{token: !{SECRET}!x y}}",
    # pasted into the wrong place, recognised by its form
    "providers: {p: {dialect: sk-ant-s3cr3t-value-of-someone}}",
    "providers: {p: {dialect: gemini, api_key: none, sk-ant-s3cr3t-value-of-someone: x}}",
    "agents: {a: {team: sk-ant-s3cr3t-value-of-someone}}",
    "listen: AIzaSys3cr3t-value-of-someone",
]


def test_no_text_of_good_settings_holds_a_secret() -> None:
    settings = load_text(GOOD.encode(), {"OPENAI_API_KEY": SECRET}, folder=Path())
    assert settings.admin_token == f"{SECRET}-admin"
    assert settings.topology.providers["openai"].api_key == SECRET
    for text in (repr(settings), str(settings), json.dumps(effective(settings))):
        assert "s3cr3t" not in text


@pytest.mark.parametrize("text", BAD)
def test_no_message_quotes_a_secret(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(text.encode(), {"LEAK": SECRET}, folder=Path())
    error = caught.value
    told = "\n".join([str(error), repr(error), repr(error.faults)])
    assert "s3cr3t" not in told
    assert error.__cause__ is None


def test_the_simulators_keys_are_hidden_like_real_ones() -> None:
    settings = simulated_settings("http://127.0.0.1:1", agent_keys={"a": SECRET})
    for text in (repr(settings), json.dumps(effective(settings))):
        assert "sim-" not in text
        assert "s3cr3t" not in text


def test_every_credential_of_the_schema_is_marked_and_has_no_example() -> None:
    secrets = {row.path for row in rows(SCHEMA) if row.secret}
    assert secrets == {
        "state.url",
        "admin.token",
        "providers.PROVIDER.api_key",
        "agents.AGENT.key",
        "tracing.headers",
    }
    schema = json.dumps(configuration_schema())
    assert '"examples"' not in schema
    assert '"default"' not in schema
