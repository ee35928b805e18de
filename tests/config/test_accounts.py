"""Starting without a file, from the variables of the SDKs."""

from pathlib import Path

import pytest

from gateway.config import ConfigError, Listen, Settings, load
from gateway.config.accounts import points_at
from gateway.domain.call import Dialect


def start(tmp_path: Path, **environment: str) -> Settings:
    return load(None, environment, folder=tmp_path)


def test_each_key_in_the_environment_makes_a_provider(tmp_path: Path) -> None:
    settings = start(
        tmp_path, ANTHROPIC_API_KEY="a", OPENAI_API_KEY="o", GEMINI_API_KEY="g", OTHER="x"
    )
    providers = settings.topology.providers
    assert {name: (one.dialect, one.base_url, one.api_key) for name, one in providers.items()} == {
        "claude": (Dialect.ANTHROPIC, "https://api.anthropic.com", "a"),
        "openai": (Dialect.OPENAI, "https://api.openai.com/v1", "o"),
        "gemini": (Dialect.GEMINI, "https://generativelanguage.googleapis.com", "g"),
    }
    assert settings.topology.lanes == {}
    assert settings.file is None
    assert settings.state.dir == tmp_path / "var"


def test_google_api_key_beats_gemini_api_key_as_in_the_sdk(tmp_path: Path) -> None:
    settings = start(tmp_path, GOOGLE_API_KEY="first", GEMINI_API_KEY="second")
    assert settings.topology.providers["gemini"].api_key == "first"


def test_another_address_is_taken_from_the_environment(tmp_path: Path) -> None:
    settings = start(tmp_path, OPENAI_API_KEY="o", OPENAI_BASE_URL="http://10.0.0.9:8000/v1/")
    assert settings.topology.providers["openai"].base_url == "http://10.0.0.9:8000/v1"
    assert settings.notes == ()


def test_an_address_that_is_the_gateway_itself_is_ignored_with_a_note(tmp_path: Path) -> None:
    settings = start(tmp_path, ANTHROPIC_API_KEY="a", ANTHROPIC_BASE_URL="http://localhost:8080")
    assert settings.topology.providers["claude"].base_url == "https://api.anthropic.com"
    assert "ANTHROPIC_BASE_URL points at this gateway itself" in settings.notes[0]


def test_without_any_key_both_ways_out_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        start(tmp_path, ANTHROPIC_API_KEY=" ")
    text = str(caught.value)
    assert "ANTHROPIC_API_KEY" in text
    assert "gateway serve --simulate" in text


@pytest.mark.parametrize(
    ("variable", "value"),
    [("OPENAI_API_KEY", "hunter2 hunter3"), ("OPENAI_BASE_URL", "hunter2://hunter3")],
)
def test_an_improper_variable_is_named_and_not_quoted(
    tmp_path: Path, variable: str, value: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        start(tmp_path, **({"OPENAI_API_KEY": "k"} | {variable: value}))
    assert variable in str(caught.value)
    assert "hunter" not in str(caught.value)


def test_a_file_without_providers_takes_them_from_the_environment(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text("listen: 127.0.0.1:9000\n")
    assert list(start(tmp_path, OPENAI_API_KEY="o").topology.providers) == ["openai"]


def test_the_key_of_an_sdk_never_goes_to_another_host_by_default(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text(
        "providers: {p: {dialect: openai, base_url: 'http://other/v1'}}\n"
    )
    with pytest.raises(ConfigError, match="api_key is missing"):
        start(tmp_path, OPENAI_API_KEY="o")


@pytest.mark.parametrize(
    ("url", "listen", "expected"),
    [
        ("http://127.0.0.1:8080", Listen("127.0.0.1", 8080), True),
        ("http://LOCALHOST:8080/v1", Listen("127.0.0.1", 8080), True),
        ("http://[::1]:8080", Listen("0.0.0.0", 8080), True),  # noqa: S104 - compared with
        ("http://0.0.0.0:8080", Listen("127.0.0.1", 8080), True),
        ("http://gw.internal", Listen("gw.internal", 80), True),
        ("https://gw.internal", Listen("gw.internal", 80), False),
        ("http://127.0.0.1:8081", Listen("127.0.0.1", 8080), False),
        ("http://10.0.0.1:8080", Listen("127.0.0.1", 8080), False),
        ("http://127.0.0.1:8080", Listen("10.0.0.1", 8080), False),
    ],
)
def test_the_own_address_is_recognised(url: str, listen: Listen, expected: bool) -> None:
    assert points_at(url, listen) is expected
