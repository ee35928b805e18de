"""`gateway keys` on its own store, beside a running gateway, and on a server."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.cli.conftest import Command
from tests.cli.gateway_command import Running, gateway
from tests.fixtures.valkey import ValkeyProcess


def test_a_key_is_made_and_shown_once_when_no_gateway_runs(folder: Path) -> None:
    made = gateway("keys", "create", "alice", folder=folder)
    assert made.code == 0
    secret = made.out.strip()
    assert secret.startswith("gw-")
    assert secret not in made.err
    listed = gateway("keys", "list", folder=folder)
    assert "alice" in listed.out
    assert secret not in listed.out + listed.err
    assert stat.S_IMODE((folder / "var").stat().st_mode) == 0o700


def test_the_life_of_a_key(store_url: str, folder: Path, command: Command) -> None:
    (folder / "gateway.yaml").write_text(f"state: {{url: '{store_url}'}}\n")
    made = command("keys", "create", "bob", "--expires", "30d", "--json").json
    ends = datetime.fromisoformat(made["expires"]) - datetime.now(UTC)
    assert timedelta(days=29, hours=23) < ends <= timedelta(days=30)

    rotated = command("keys", "rotate", made["id"], "--overlap", "1h", "--json").json
    assert rotated["agent"] == "bob"
    assert rotated["key"] != made["key"]

    command("keys", "expire", rotated["id"], "--in", "2h")
    never = command("keys", "expire", rotated["id"], "--never", "--json").json
    assert never["expires"] is None

    looked = command("keys", "revoke", rotated["key"], "--dry-run")
    assert looked.out == f"{rotated['id']} of agent bob would be revoked.\n"
    assert command("keys", "expire", rotated["id"], "--in", "1s", "--dry-run").code == 0
    revoked = command("keys", "revoke", rotated["key"])
    assert revoked.out == f"{rotated['id']} of agent bob is revoked.\n"
    states = {one["id"]: one["state"] for one in command("keys", "list", "--json").json}
    assert states == {made["id"]: "active", rotated["id"]: "revoked"}
    again = command("keys", "rotate", rotated["id"])
    assert (again.code, "no longer works" in again.err) == (1, True)


def test_a_running_gateway_and_the_command_share_the_keys(served: Running) -> None:
    made = gateway("keys", "create", "carol", "--json", folder=served.folder).json
    listed = gateway("keys", "list", "--json", folder=served.folder).json
    assert made["id"] in [one["id"] for one in listed]
    assert "default" in [one["agent"] for one in listed]


def test_an_unknown_key_is_an_error_without_a_traceback(
    store_url: str, folder: Path, command: Command
) -> None:
    (folder / "gateway.yaml").write_text(f"state: {{url: '{store_url}'}}\n")
    told = command("keys", "revoke", "nonsense")
    assert told.code == 1
    assert told.err == "gateway: no key has the public id 'nonsense'. See: gateway keys list\n"


def test_an_agent_that_the_file_does_not_name_is_noted(
    store_url: str, folder: Path, command: Command
) -> None:
    (folder / "gateway.yaml").write_text(
        f"state: {{url: '{store_url}'}}\nagents: {{alice: {{}}}}\n"
    )
    told = command("keys", "create", "alcie")
    assert told.code == 0
    assert "names no agent alcie" in told.err


def test_an_empty_list_says_how_to_make_a_key(
    store_url: str, folder: Path, command: Command
) -> None:
    (folder / "gateway.yaml").write_text(f"state: {{url: '{store_url}'}}\n")
    told = command("keys", "list")
    assert (told.code, told.out) == (0, "")
    assert "gateway keys create NAME" in told.err


def test_a_store_that_does_not_answer_exits_with_4(
    folder: Path, own_valkey: ValkeyProcess, command: Command
) -> None:
    own_valkey.stop()
    (folder / "gateway.yaml").write_text(f"state: {{url: '{own_valkey.url}'}}\n")
    told = command("keys", "list")
    assert told.code == 4
    assert "cannot be reached" in told.err
    assert "ask the gateway: --url URL" in told.err
    assert "Traceback" not in told.err


def test_a_name_that_no_agent_may_have_is_wrong_usage(folder: Path, command: Command) -> None:
    told = command("keys", "create", "../etc/passwd")
    assert (told.code, "cannot be a name" in told.err) == (2, True)
