"""`gateway serve`: start, first use, graceful stop, and what can be wrong."""

import json
import signal
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest

from gateway.simulator import SimulatorSettings
from tests.cli.gateway_command import Running, gateway, running
from tests.fixtures.simulator import simulator_in_thread
from tests.fixtures.valkey import ValkeyProcess, wait_until

SLOW = SimulatorSettings(limits={}, tokens_per_s=40, chunk_tokens=4)
ANY_PORT = ("--listen", "127.0.0.1:0")
KEYS = {"ANTHROPIC_API_KEY": "sim-anthropic-key"}


def client_of(gateway: Running) -> anthropic.Anthropic:
    key = Path(gateway.ready["key_file"]).read_text().strip()
    return anthropic.Anthropic(base_url=gateway.url, auth_token=key, max_retries=0)


@contextmanager
def before(simulator_url: str, folder: Path, *arguments: str) -> Iterator[Running]:
    env = {**KEYS, "ANTHROPIC_BASE_URL": simulator_url}
    with running("serve", *ANY_PORT, *arguments, folder=folder, env=env) as served:
        yield served


def ask(client: anthropic.Anthropic, tokens: int = 8) -> Any:
    message = {"role": "user", "content": f"Say something. [[output={tokens}]]"}
    return client.messages.create(model="claude-sonnet-5", max_tokens=tokens, messages=[message])  # type: ignore[list-item]


def test_a_start_without_any_configuration_is_usable_at_once(served: Running) -> None:
    with client_of(served) as client:
        assert ask(client).usage.output_tokens == 8
    token = Path(served.ready["admin_token"])
    assert len(token.read_text().strip()) > 30
    for secret in (token, Path(served.ready["key_file"])):
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert httpx2.get(f"{served.url}/healthz", trust_env=False).text == "ok\n"


def test_a_second_gateway_on_the_same_state_directory_is_refused(served: Running) -> None:
    told = gateway("serve", "--simulate", *ANY_PORT, folder=served.folder)
    assert told.code == 1
    assert "in use by another gateway" in told.err
    assert "state.url" in told.err
    assert "Traceback" not in told.err


def test_an_address_in_use_is_told_with_the_remedy(folder: Path, served: Running) -> None:
    address = served.url.removeprefix("http://")
    told = gateway("serve", "--listen", address, folder=folder, env=KEYS)
    assert told.code == 1
    assert f"{address} is in use by another program" in told.err
    assert "--listen" in told.err


def test_without_provider_keys_the_start_is_refused_with_the_remedy(folder: Path) -> None:
    told = gateway("serve", folder=folder)
    assert told.code == 3
    assert told.err.startswith("providers: no provider is configured")
    assert "--simulate" in told.err
    assert not (folder / "var").exists()


def test_a_store_that_cannot_be_reached_exits_with_4(
    folder: Path, own_valkey: ValkeyProcess
) -> None:
    own_valkey.stop()
    (folder / "gateway.yaml").write_text(f"state: {{url: '{own_valkey.url}'}}\n")
    told = gateway("serve", *ANY_PORT, folder=folder, env=KEYS)
    assert told.code == 4
    assert "cannot be reached" in told.err
    assert "Traceback" not in told.err


def test_sigterm_lets_a_stream_finish_and_exits_with_0(folder: Path) -> None:
    with (
        simulator_in_thread(SLOW) as simulator,
        before(simulator.url, folder) as served,
        client_of(served) as client,
    ):
        message = {"role": "user", "content": "Say something. [[output=40]]"}
        with client.messages.stream(
            model="claude-sonnet-5",
            max_tokens=40,
            messages=[message],  # type: ignore[list-item]
        ) as stream:
            events = iter(stream)
            next(event for event in events if event.type == "content_block_delta")
            served.tell(signal.SIGTERM)
            wait_until(lambda: _refuses(served.url), "the gateway to stop accepting")
            for _ in events:
                pass
            assert stream.get_final_message().usage.output_tokens == 40
        ended = served.ended()
    assert ended.code == 0
    [record] = [json.loads(line) for line in ended.out.splitlines()]
    assert (record["agent"], record["output_tokens"]) == ("default", 40)
    assert not (folder / "var" / "listening").exists()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_second_signal_cuts_what_still_runs(workers: str, folder: Path) -> None:
    endless = SimulatorSettings(limits={}, ttft_s=3600)
    with (
        simulator_in_thread(endless) as simulator,
        before(simulator.url, folder, "--workers", workers) as served,
        socket.create_connection(_address(served.url)) as caller,
    ):
        key = Path(served.ready["key_file"]).read_text().strip()
        assert _known(served.url, key), "the first key was announced before each worker knew it"
        _send_call(caller, key)
        wait_until(lambda: _in_flight(served.url) == 1, "the call to be on its way")
        served.tell(signal.SIGTERM)
        wait_until(lambda: _refuses(served.url), "the gateway to stop accepting")
        served.tell(signal.SIGTERM)
        ended = served.ended()
    assert ended.code == 130
    assert "cut" in ended.err


def test_two_workers_share_the_port_the_state_and_the_log_level(folder: Path) -> None:
    (folder / "gateway.yaml").write_text("logging: {level: debug, access_file: access.log}\n")
    with running("serve", "--simulate", "--workers", "2", *ANY_PORT, folder=folder) as served:
        replicas: set[str] = set()

        def both_have_answered() -> bool:
            with client_of(served) as client:  # a connection of its own, to whichever worker
                ask(client, 1)
            lines = (folder / "access.log").read_text().splitlines()
            replicas.update(json.loads(line)["request_id"][4:12] for line in lines)
            return len(replicas) == 2

        wait_until(both_have_answered, "both workers to answer")
        ended = served.stop(signal.SIGINT)
    assert ended.code == 0
    assert ended.err.count("Started server process") == 2


def test_what_is_configured_is_simulated(folder: Path) -> None:
    (folder / "gateway.yaml").write_text(
        "minute: 30s\n"
        "providers: {mine: {dialect: openai, base_url: 'http://vllm:8000/v1', api_key: none}}\n"
        "lanes: {own: {provider: mine, models: [own-model], limits: {rpm: 7, tpm: 9000}}}\n"
        "agents: {alice: {key: a-key-that-is-configured}}\n"
    )
    with running("serve", "--simulate", *ANY_PORT, folder=folder) as served:
        settings = httpx2.get(f"{served.ready['simulator']}/_sim/settings", trust_env=False).json()
        answer = httpx2.post(
            f"{served.url}/v1/chat/completions",
            json={
                "model": "own-model",
                "max_tokens": 5,
                "messages": [{"role": "user", "content": "hi"}],
            },
            headers={"authorization": "Bearer a-key-that-is-configured"},
            trust_env=False,
        )
        assert served.ready["key_file"] is None
    [rule] = settings["limits"]["openai"]
    assert (rule["models"], rule["limits"]["rpm"], rule["limits"]["tpm"]) == ("own-model", 7, 9000)
    assert settings["minute_s"] == 30
    assert answer.status_code == 200
    assert not (folder / "var" / "agents" / "default.key").exists()


def _address(url: str) -> tuple[str, int]:
    host, _, port = url.removeprefix("http://").partition(":")
    return host, int(port)


def _send_call(caller: socket.socket, key: str) -> None:
    body = json.dumps(
        {
            "model": "claude-sonnet-5",
            "max_tokens": 5,
            "messages": [{"role": "user", "content": "hi"}],
        }
    )
    head = (
        f"POST /v1/messages HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {key}\r\n"
        f"anthropic-version: 2023-06-01\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    caller.sendall((head + body).encode())


def _known(url: str, key: str) -> bool:
    """Whether each worker lets a key in; what is asked with it makes no sense."""
    headers = {"authorization": f"Bearer {key}", "connection": "close"}
    answers = {
        httpx2.post(f"{url}/v1/messages", headers=headers, trust_env=False).status_code
        for _ in range(8)
    }
    return answers == {400}


def _in_flight(url: str) -> float:
    text = httpx2.get(f"{url}/metrics", trust_env=False).text
    return sum(
        float(line.rsplit(" ", 1)[1])
        for line in text.splitlines()
        if "in_flight" in line and not line.startswith("#")
    )


def _refuses(url: str) -> bool:
    try:
        socket.create_connection(_address(url), timeout=1).close()
    except OSError:
        return True
    return False
