"""A configuration is read again from where it came from."""

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.config import ConfigError, Listen, load, load_text
from gateway.config.simulated import SIMULATOR_KEYS
from gateway.config.source import Source, needs_restart
from gateway.domain.call import Dialect

FILE = """
providers: {claude: {dialect: anthropic, api_key: "${ANTHROPIC_API_KEY}"}}
agents: {ann: {budget: {rpm: 1}}}
"""
ENVIRONMENT = {"ANTHROPIC_API_KEY": "key-1"}


def test_a_file_is_read_again_and_the_command_line_stands(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(FILE)
    running = load(file, ENVIRONMENT)
    running = replace(
        running,
        listen=Listen("127.0.0.1", 9999),
        server=replace(running.server, workers=3),
    )
    file.write_text(FILE.replace("rpm: 1", "rpm: 2"))
    found = Source(file, tmp_path).read({"ANTHROPIC_API_KEY": "key-2"}, running)
    assert found.topology.agents["ann"].budget.rpm == 2
    assert found.topology.providers["claude"].api_key == "key-2"
    assert (found.listen, found.server.workers) == (running.listen, 3)
    assert needs_restart(running, found) == ()
    file.write_text("agents: 5")
    with pytest.raises(ConfigError):
        Source(file, tmp_path).read(ENVIRONMENT, running)


def test_the_simulator_goes_on_standing_for_all_providers(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(FILE)
    running = load(file, ENVIRONMENT)
    found = Source(file, tmp_path, "http://127.0.0.1:7").read({}, running)
    claude = found.topology.providers["claude"]
    assert (claude.base_url, claude.api_key) == (
        "http://127.0.0.1:7",
        SIMULATOR_KEYS[Dialect.ANTHROPIC],
    )


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ("server: {max_body: 1MiB}", "server"),
        ("logging: {level: debug}", "logging"),
        ("admin: {token: another-token}", "admin"),
        ("state: {dir: elsewhere}", "state"),
        ("explanations: {keep: 1m}", "explanations"),
        ("cache: {hold: 1s}", "cache"),
        ("queue: {max_wait: 9s}", ""),
    ],
)
def test_what_acts_at_the_next_start_only_is_named(more: str, named: str) -> None:
    running = load_text(FILE.encode(), ENVIRONMENT, folder=Path())
    found = load_text(f"{FILE}{more}".encode(), ENVIRONMENT, folder=Path())
    assert needs_restart(running, found) == ((named,) if named else ())


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("admin: {listen: 127.0.0.1:8080}", "admin.listen"),
        ("admin: {listen: nowhere}", "admin.listen"),
        ("admin: {origins: [ops.example.com]}", "admin.origins[0]"),
        ('admin: {origins: ["https://ops.example.com/page"]}', "admin.origins[0]"),
        ('admin: {origins: ["*"]}', "admin.origins[0]"),
        ("admin: {audit_keep: 1s}", "admin.audit_keep"),
        ("admin: {enabled: maybe}", "admin.enabled"),
    ],
)
def test_access_to_the_admin_api_that_makes_no_sense_is_refused(text: str, field: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_text(f"{FILE}{text}".encode(), ENVIRONMENT, folder=Path())
    assert [fault.field for fault in refused.value.faults] == [field]


def test_access_to_the_admin_api_is_read() -> None:
    text = (
        'admin: {listen: "10.0.0.7:9090", origins: ["https://Ops.example.com:8443"], '
        "audit_keep: 400d, enabled: false}"
    )
    admin = load_text(f"{FILE}{text}".encode(), ENVIRONMENT, folder=Path()).admin
    assert (admin.listen, admin.enabled) == (Listen("10.0.0.7", 9090), False)
    assert admin.origins == ("https://ops.example.com:8443",)
    assert admin.audit_keep_s == 400 * 86400
