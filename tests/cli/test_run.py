"""`gateway run`: agents that know nothing of the gateway go through it."""

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.gateway_command import GATEWAY, Running, environment, gateway
from tests.fixtures.valkey import ValkeyProcess

WITH_SDKS = """
import json, anthropic, openai
from google import genai

ask = "Say something. [[output=8]]"
with anthropic.Anthropic() as client:
    one = client.messages.create(
        model="claude-sonnet-5", max_tokens=8, messages=[{"role": "user", "content": ask}])
with openai.OpenAI() as client:
    two = client.chat.completions.create(
        model="gpt-4o-mini", max_tokens=8, messages=[{"role": "user", "content": ask}])
    stream = client.responses.create(model="gpt-5", input=ask, stream=True)
    three = [event.type for event in stream][-1]
client = genai.Client()
four = client.models.generate_content(model="gemini-2.5-flash", contents=ask)
print(json.dumps([one.usage.output_tokens, two.usage.completion_tokens, three, len(four.text) > 0]))
"""


def run(served: Running, *arguments: str, env: dict[str, str] | None = None) -> str:
    told = gateway("run", *arguments, folder=served.folder, env=env)
    assert told.code == 0, told.err
    return told.out


def script(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_an_agent_with_the_official_sdks_needs_no_change(served: Running) -> None:
    own = {"OPENAI_API_KEY": "real", "GOOGLE_API_KEY": "real", "ANTHROPIC_API_KEY": "real"}
    out = run(served, "--agent", "worker", "--", sys.executable, "-c", WITH_SDKS, env=own)
    assert json.loads(out) == [8, 8, "response.completed", True]


def test_claude_code_gets_a_token_and_no_api_key(served: Running) -> None:
    claude = script(served.folder, "claude", '#!/bin/sh\nenv; echo "ARGUMENTS $*"\n')
    out = run(
        served, "-a", "reviewer", "-m", "claude-opus-5", "--", str(claude), "-p", "--verbose", "hi",
        env={"ANTHROPIC_API_KEY": "sk-ant-of-the-user"},
    )  # fmt: skip
    told = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
    secret = (served.folder / "var" / "agents" / "reviewer.key").read_text().strip()
    assert told["ANTHROPIC_BASE_URL"] == served.url
    assert told["ANTHROPIC_AUTH_TOKEN"] == secret
    assert told["ANTHROPIC_MODEL"] == "claude-opus-5"
    assert told["CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY"] == "1"
    assert "ANTHROPIC_API_KEY" not in told
    assert "ARGUMENTS -p --verbose hi" in out


def test_codex_gets_overrides_before_its_own_arguments(served: Running) -> None:
    codex = script(served.folder, "codex", '#!/bin/sh\nprintf "%s\\n" "$GATEWAY_KEY" "$@"\n')
    lines = run(served, "--agent", "coder", "--", str(codex), "exec", "do it").splitlines()
    assert lines[0] == (served.folder / "var" / "agents" / "coder.key").read_text().strip()
    assert f'model_providers.gw.base_url="{served.url}/v1"' in lines
    assert lines[-2:] == ["exec", "do it"]


def test_the_key_is_made_at_the_first_use_and_kept(served: Running) -> None:
    first = gateway(
        "run", "--agent", "twice", "--", "printenv", "GATEWAY_KEY", folder=served.folder
    )
    again = gateway(
        "run", "--agent", "twice", "--", "printenv", "GATEWAY_KEY", folder=served.folder
    )
    path = served.folder / "var" / "agents" / "twice.key"
    assert "made a key for agent twice" in first.err
    assert again.err == ""
    assert first.out == again.out == path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    listed = gateway("keys", "list", "--json", folder=served.folder).json
    assert [one["agent"] for one in listed].count("twice") == 1


def test_the_child_takes_the_place_of_the_command(served: Running) -> None:
    """Its exit code, its signals and its process id are the command's."""
    assert gateway("run", "-a", "x", "--", "sh", "-c", "exit 42", folder=served.folder).code == 42
    with subprocess.Popen(
        [GATEWAY, "run", "-a", "x", "--", "sh", "-c", "echo $$; exec sleep 60"],
        cwd=served.folder, env=environment(), stdout=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        assert child.stdout is not None
        assert int(child.stdout.readline()) == child.pid
        child.send_signal(signal.SIGTERM)
        assert child.wait(10) == -signal.SIGTERM


def test_a_revoked_agent_is_not_started(served: Running) -> None:
    run(served, "--agent", "villain", "--", "true")
    secret = (served.folder / "var" / "agents" / "villain.key").read_text()
    gateway("keys", "revoke", secret.strip(), folder=served.folder)
    told = gateway("run", "--agent", "villain", "--", "echo", "started", folder=served.folder)
    assert (told.code, told.out) == (1, "")
    assert "was revoked" in told.err


def test_a_rotated_key_is_used_from_then_on(served: Running) -> None:
    old = run(served, "--agent", "rotating", "--", "printenv", "GATEWAY_KEY")
    new = gateway("keys", "rotate", old.strip(), "--overlap", "0", folder=served.folder)
    assert "rotating.key holds the new key" in new.err
    assert run(served, "--agent", "rotating", "--", "printenv", "GATEWAY_KEY") == new.out


def test_without_a_gateway_nothing_is_started(folder: Path) -> None:
    (folder / "gateway.yaml").write_text("listen: 127.0.0.1:1\n")
    told = gateway("run", "-a", "x", "--", "echo", "started", folder=folder)
    assert (told.code, told.out) == (4, "")
    assert "no gateway answers at http://127.0.0.1:1" in told.err
    assert "gateway serve" in told.err


def test_another_gateway_is_used_with_a_key_from_a_file(served: Running, folder: Path) -> None:
    made = gateway("keys", "create", "remote", folder=served.folder)
    (folder / "key").write_text(made.out)
    told = gateway(
        "run", "-a", "remote", "--url", served.url, "--key-file", "key", "--", "printenv",
        "GATEWAY_KEY", folder=folder,
    )  # fmt: skip
    assert told.out == made.out
    assert not (folder / "var").exists()


def test_a_key_that_cannot_be_made_here_is_told_with_the_remedy(
    served: Running, folder: Path, own_valkey: ValkeyProcess
) -> None:
    own_valkey.stop()
    (folder / "gateway.yaml").write_text(f"state: {{url: '{own_valkey.url}'}}\n")
    told = gateway("run", "-a", "remote", "--url", served.url, "--", "true", folder=folder)
    assert told.code == 4
    assert "gateway keys create remote" in told.err
    assert "--key-file" in told.err


def test_a_configured_key_is_used(served: Running, folder: Path) -> None:
    (folder / "gateway.yaml").write_text(
        "providers: {claude: {dialect: anthropic, api_key: passthrough}}\n"
        "agents: {alice: {key: a-key-that-is-configured}}\n"
    )
    told = gateway("run", "-a", "alice", "--url", served.url, "--", "env", folder=folder)
    lines = told.out.splitlines()
    assert "GATEWAY_KEY=a-key-that-is-configured" in lines
    assert "ANTHROPIC_CUSTOM_HEADERS=x-gateway-key: a-key-that-is-configured" in lines


@pytest.mark.parametrize(("command", "code"), [("no-such-command", 127), ("./not-executable", 126)])
def test_a_command_that_cannot_start_exits_as_from_a_shell(
    command: str, code: int, served: Running
) -> None:
    (served.folder / "not-executable").write_text("")
    told = gateway("run", "-a", "x", "--", command, folder=served.folder)
    assert told.code == code
    assert "Traceback" not in told.err


def test_starting_an_agent_costs_little(served: Running) -> None:
    """CPU seconds of the command itself, with a wide margin for a busy machine."""
    before = os.times()
    run(served, "-a", "x", "--", "true")
    after = os.times()
    spent = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    assert spent < 3
