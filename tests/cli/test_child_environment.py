"""The environment of agents."""

from dataclasses import replace

import pytest

from gateway.cli.child_environment import (
    AROUND_ANTHROPIC,
    AROUND_GEMINI,
    Errand,
    child_environment,
)
from gateway.domain.call import Dialect

ERRAND = Errand("http://127.0.0.1:8080", "gw-id-secret")


def test_every_sdk_is_told_where_to_go_and_who_it_is() -> None:
    child = child_environment({"PATH": "/bin"}, ERRAND)
    assert child == {
        "PATH": "/bin",
        "GATEWAY_URL": "http://127.0.0.1:8080",
        "GATEWAY_KEY": "gw-id-secret",
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:8080",
        "ANTHROPIC_AUTH_TOKEN": "gw-id-secret",
        "CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY": "1",
        "ENABLE_TOOL_SEARCH": "true",
        "OPENAI_BASE_URL": "http://127.0.0.1:8080/v1",
        "OPENAI_API_BASE": "http://127.0.0.1:8080/v1",
        "OPENAI_API_KEY": "gw-id-secret",
        "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:8080",
        "GEMINI_API_KEY": "gw-id-secret",
    }


@pytest.mark.parametrize(
    "variable",
    [
        "ANTHROPIC_API_KEY",
        "GOOGLE_API_KEY",
        "OPENAI_ORG_ID",
        "OPENAI_PROJECT_ID",
        *AROUND_ANTHROPIC,
        *AROUND_GEMINI,
    ],
)
def test_what_would_lead_around_the_gateway_is_taken_away(variable: str) -> None:
    assert variable not in child_environment({variable: "1"}, ERRAND)


def test_no_credential_of_a_provider_reaches_the_child() -> None:
    own = dict.fromkeys(("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "OPENAI_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"), "provider-secret")  # fmt: skip
    assert "provider-secret" not in child_environment(own, ERRAND).values()


def test_the_users_own_choices_stay() -> None:
    own = {"ENABLE_TOOL_SEARCH": "false", "ANTHROPIC_MODEL": "claude-opus-5"}
    assert own.items() <= child_environment(own, ERRAND).items()


def test_an_api_key_may_stand_instead_of_the_token() -> None:
    child = child_environment({}, replace(ERRAND, anthropic_api_key=True))
    assert child["ANTHROPIC_API_KEY"] == ERRAND.key
    assert "ANTHROPIC_AUTH_TOKEN" not in child


@pytest.mark.parametrize(
    ("model", "variable"),
    [
        ("claude-sonnet-5", "ANTHROPIC_MODEL"),
        ("gemini-2.5-pro", "GEMINI_MODEL"),
        ("gpt-5", "OPENAI_MODEL"),
        ("llama-4", "OPENAI_MODEL"),
    ],
)
def test_the_default_model_goes_where_its_client_looks(model: str, variable: str) -> None:
    assert child_environment({}, replace(ERRAND, model=model))[variable] == model


def test_callers_with_credentials_of_their_own_keep_them_and_add_the_key() -> None:
    own = {
        "ANTHROPIC_API_KEY": "mine",
        "ANTHROPIC_CUSTOM_HEADERS": "x-mine: 1",
        "OPENAI_API_KEY": "mine",
        "OPENAI_ORG_ID": "org",
        "GOOGLE_API_KEY": "mine",
    }
    child = child_environment(own, replace(ERRAND, passthrough=frozenset(Dialect)))
    assert {**own, "ANTHROPIC_CUSTOM_HEADERS": ""}.items() <= {
        **child,
        "ANTHROPIC_CUSTOM_HEADERS": "",
    }.items()
    assert child["ANTHROPIC_CUSTOM_HEADERS"] == "x-mine: 1\nx-gateway-key: gw-id-secret"
    assert child["OPENAI_CUSTOM_HEADERS"] == "x-gateway-key: gw-id-secret"
    assert child["GEMINI_CLI_CUSTOM_HEADERS"] == "x-gateway-key: gw-id-secret"
    assert "ANTHROPIC_AUTH_TOKEN" not in child


def test_a_priority_travels_as_a_header() -> None:
    child = child_environment({}, replace(ERRAND, priority="background"))
    for name in ("ANTHROPIC_CUSTOM_HEADERS", "OPENAI_CUSTOM_HEADERS", "GEMINI_CLI_CUSTOM_HEADERS"):
        assert child[name] == "x-gateway-priority: background"


@pytest.mark.parametrize(
    ("spared", "becomes"),
    [(None, "127.0.0.1"), ("intra.net", "intra.net,127.0.0.1"), ("a, 127.0.0.1", "a, 127.0.0.1")],
)
def test_a_proxy_is_not_asked_for_the_gateway(spared: str | None, becomes: str) -> None:
    own = {"HTTP_PROXY": "http://proxy:3128"} | ({} if spared is None else {"no_proxy": spared})
    child = child_environment(own, ERRAND)
    assert child["no_proxy"] == becomes
    assert "127.0.0.1" in child["NO_PROXY"]


def test_the_key_is_not_shown_by_accident() -> None:
    assert ERRAND.key not in repr(ERRAND)
