"""What is told when the gateway is ready."""

import shlex
from pathlib import Path

from gateway.cli.recipes import Ready, told

URL = "http://127.0.0.1:8080"


def ready(key_file: Path | None) -> Ready:
    return Ready("1.2.3", URL, "/state/admin-token", key_file, "default")


def test_every_sdk_and_cli_has_its_line() -> None:
    text = told(ready(Path("/state/agents/default.key")))
    for sign in (
        f"  OpenAI             {URL}/v1",
        "  Admin token        /state/admin-token",
        "gateway run --agent default -- claude",
        f'ANTHROPIC_BASE_URL={URL} ANTHROPIC_AUTH_TOKEN="$(cat /state/agents/default.key)" claude',
        f'GOOGLE_GEMINI_BASE_URL={URL} GEMINI_API_KEY="$(cat /state/agents/default.key)" gemini',
        f'OpenAI(base_url="{URL}/v1", api_key=open(',
        f'Anthropic(base_url="{URL}", auth_token=open(',
        "genai.Client(",
    ):
        assert sign in text


def test_the_line_for_codex_survives_the_shell() -> None:
    text = told(ready(None))
    [line] = [line for line in text.splitlines() if line.startswith("  Codex")]
    words = shlex.split(line)
    assert f'model_providers.gw.base_url="{URL}/v1"' in words


def test_a_path_with_spaces_is_quoted() -> None:
    text = told(ready(Path("/my state/default.key")))
    assert "$(cat '/my state/default.key')" in text


def test_without_a_key_file_the_way_to_a_key_is_told() -> None:
    text = told(ready(None))
    assert "gateway keys create NAME" in text
    assert 'ANTHROPIC_AUTH_TOKEN="$GATEWAY_KEY"' in text
    assert 'os.environ["GATEWAY_KEY"]' in text


def test_programs_are_told_the_same() -> None:
    assert ready(Path("/state/agents/default.key")).plain() == {
        "event": "ready",
        "version": "1.2.3",
        "url": URL,
        "openai_url": f"{URL}/v1",
        "admin_token": "/state/admin-token",
        "key_file": "/state/agents/default.key",
        "simulator": None,
    }
