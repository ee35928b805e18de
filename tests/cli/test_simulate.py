"""`gateway simulate`."""

import signal
import socket
import subprocess
from pathlib import Path

import anthropic
import httpx2
import pytest

from tests.cli.conftest import Command
from tests.cli.gateway_command import GATEWAY, environment, gateway, running


def test_the_simulator_serves_with_the_limits_given_until_it_is_told_to_stop(folder: Path) -> None:
    arguments = ("--listen", "127.0.0.1:0", "--minute", "1h", "--ttft", "0", "--tokens-per-s", "0")
    limits = ("--anthropic-limits", "claude-sonnet-*:rpm=1", "--model", "openai:own-model")
    with running("simulate", *arguments, *limits, folder=folder) as simulator:
        with anthropic.Anthropic(
            base_url=simulator.url, api_key=simulator.ready["keys"]["anthropic"], max_retries=0
        ) as client:

            def ask(model: str) -> object:
                return client.messages.create(
                    model=model, max_tokens=5, messages=[{"role": "user", "content": "hi"}]
                )

            ask("claude-sonnet-5")
            with pytest.raises(anthropic.RateLimitError):
                ask("claude-sonnet-5")
            ask("claude-haiku-5-5")
        stats = httpx2.get(simulator.ready["control_url"] + "stats", trust_env=False)
        assert stats.status_code == 200
        assert simulator.stop(signal.SIGINT).code == 0


def test_addresses_keys_and_control_endpoints_are_told(folder: Path) -> None:
    told = subprocess.Popen(
        [GATEWAY, "simulate", "--listen", "127.0.0.1:0"],
        cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with told:
        assert told.stdout is not None
        lines: list[str] = []
        while not (lines and lines[-1].startswith("Stop")):
            lines.append(told.stdout.readline())
            assert lines[-1], "it ended"
        told.terminate()
    text = "".join(lines)
    for sign in ("/v1", "sim-anthropic-key", "sim-openai-key", "sim-gemini-key", "/_sim/stats"):
        assert sign in text


def test_it_ends_with_whoever_started_it(folder: Path) -> None:
    with subprocess.Popen(
        [GATEWAY, "simulate", "--json", "--listen", "127.0.0.1:0", "--while-stdin-is-open"],
        cwd=folder, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as simulator:  # fmt: skip
        assert simulator.stdout is not None
        assert simulator.stdin is not None
        assert simulator.stdout.readline()
        simulator.stdin.close()
        assert simulator.wait(20) == 0


def test_an_address_in_use_is_told_with_the_remedy(folder: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        told = gateway("simulate", "--listen", str(other.getsockname()[1]), folder=folder)
    assert (told.code, told.out) == (1, "")
    assert "Choose another address with --listen" in told.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--openai-limits", "rmp=4"),
        ("--listen", "nowhere:at:all"),
        ("--minute", "soon"),
        ("--model", "mistral:large"),
    ],
)
def test_wrong_values_are_wrong_usage(
    arguments: tuple[str, ...], folder: Path, command: Command
) -> None:
    told = command("simulate", *arguments)
    assert told.code == 2
    assert arguments[0] in told.err
