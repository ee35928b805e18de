"""Gemini CLI must use the key, or it goes around the gateway."""

import json
from pathlib import Path

import pytest

from gateway.cli.failing import Failure
from gateway.cli.gemini_cli import demand_key_login, is_gemini_cli, settings_file


@pytest.mark.parametrize(
    ("command", "expected"),
    [("gemini", True), ("/usr/bin/gemini", True), ("gemini-wrapper", False), ("claude", False)],
)
def test_it_is_known_by_its_name(command: str, expected: bool) -> None:
    assert is_gemini_cli([command, "-p"]) is expected


@pytest.mark.parametrize(
    ("selected", "arguments", "fault"),
    [
        ("gemini-api-key", ["-p", "hello"], None),
        ("gemini-api-key", [], None),
        ("gateway", [], None),
        ("gateway", ["-p", "hello"], "headless"),
        (None, [], None),
        (None, ["--prompt=hello"], "headless"),
        ("oauth-personal", [], "around the gateway"),
        ("oauth-personal", ["-p", "hello"], "around the gateway"),
        ("vertex-ai", [], "around the gateway"),
    ],
)
def test_a_login_that_does_not_reach_the_gateway_is_refused_with_the_remedy(
    tmp_path: Path, selected: str | None, arguments: list[str], fault: str | None
) -> None:
    environment = {"HOME": str(tmp_path)}
    if selected is not None:
        path = settings_file(environment)
        path.parent.mkdir()
        path.write_text(json.dumps({"security": {"auth": {"selectedType": selected}}}))
    if fault is None:
        demand_key_login(["gemini", *arguments], environment)
        return
    with pytest.raises(Failure, match=fault) as caught:
        demand_key_login(["gemini", *arguments], environment)
    assert '"selectedType": "gemini-api-key"' in str(caught.value)
    assert str(settings_file(environment)) in str(caught.value)


@pytest.mark.parametrize("text", ["", "not json", "[]", '{"security": 1}', '{"security": {}}'])
def test_settings_that_nobody_understands_select_nothing(tmp_path: Path, text: str) -> None:
    environment = {"HOME": str(tmp_path)}
    path = settings_file(environment)
    path.parent.mkdir()
    path.write_text(text)
    demand_key_login(["gemini"], environment)
