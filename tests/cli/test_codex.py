"""Arguments for Codex."""

import tomllib
from dataclasses import replace

import pytest

from gateway.cli.child_environment import Errand
from gateway.cli.codex import is_codex, overrides, with_overrides
from gateway.domain.call import Dialect

ERRAND = Errand("http://127.0.0.1:8080", "gw-id-secret")


def as_configuration(arguments: list[str]) -> dict[str, object]:
    """What Codex makes of `-c KEY=VALUE` pairs: TOML."""
    assert set(arguments[::2]) == {"-c"}
    return tomllib.loads("\n".join(arguments[1::2]))


@pytest.mark.parametrize(
    ("command", "expected"),
    [("codex", True), ("/usr/local/bin/codex", True), ("codex-wrapper", False), ("claude", False)],
)
def test_codex_is_known_by_its_name(command: str, expected: bool) -> None:
    assert is_codex([command, "exec"]) is expected


def test_the_overrides_define_the_gateway_as_provider() -> None:
    assert as_configuration(overrides(ERRAND)) == {
        "model_provider": "gw",
        "model_providers": {
            "gw": {
                "name": "agent-gateway",
                "base_url": "http://127.0.0.1:8080/v1",
                "wire_api": "responses",
                "env_key": "GATEWAY_KEY",
            }
        },
    }


def test_the_overrides_stand_before_the_users_arguments_and_hold_no_key() -> None:
    command = with_overrides(["codex", "exec", "-c", 'model="o3"', "do it"], ERRAND)
    assert command[0] == "codex"
    assert command[-4:] == ["exec", "-c", 'model="o3"', "do it"]
    assert ERRAND.key not in " ".join(command)


def test_model_priority_and_own_credentials_are_told() -> None:
    errand = replace(
        ERRAND, model="gpt-5", priority="urgent", passthrough=frozenset({Dialect.OPENAI})
    )
    told = as_configuration(overrides(errand))
    assert told["model"] == "gpt-5"
    assert told["model_providers"] == {
        "gw": {
            "name": "agent-gateway",
            "base_url": "http://127.0.0.1:8080/v1",
            "wire_api": "responses",
            "env_key": "OPENAI_API_KEY",
            "env_http_headers": {"x-gateway-key": "GATEWAY_KEY"},
            "http_headers": {"x-gateway-priority": "urgent"},
        }
    }
