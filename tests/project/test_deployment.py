"""What is deployed agrees with the code: compose file, image, configurations."""

import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from gateway.cli.demo.fleet import LIMITS, fleet
from gateway.config import load
from gateway.config.simulated import SIMULATOR_KEYS
from tests.fixtures.system import needed

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
KEYS = {"ANTHROPIC_API_KEY": "sk-ant-test", "OPENAI_API_KEY": "", "GEMINI_API_KEY": ""}


def test_the_gateways_file_loads_and_leaves_out_providers_without_a_key() -> None:
    settings = load(DEPLOY / "gateway.yaml", KEYS)
    assert list(settings.topology.providers) == ["claude"]
    assert settings.state.url == "redis://valkey:6379/0"


def test_the_demos_file_knows_the_fleet_and_the_simulator() -> None:
    settings = load(DEPLOY / "demo.yaml", {})
    members = {one.name: one for one in fleet(10)}
    assert settings.agent_keys == {name: one.key for name, one in members.items()}
    for name, agent in settings.topology.agents.items():
        assert (agent.priority, agent.weight) == (members[name].priority, members[name].weight)
    for provider in settings.topology.providers.values():
        assert provider.api_key == SIMULATOR_KEYS[provider.dialect]
        lane = settings.topology.lane_for(provider.name, "any")
        assert lane.limits == LIMITS[provider.dialect]
        flags = ",".join(
            f"{dimension}={limit}"
            for dimension in ("rpm", "itpm", "otpm", "tpm")
            if (limit := getattr(lane.limits, dimension)) is not None
        )
        wanted = f"--{provider.dialect.value}-limits={flags}"
        assert wanted in COMPOSE["services"]["simulator"]["command"]


def test_every_file_that_is_mounted_or_copied_exists() -> None:
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", ()):
            source = re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", volume).partition(":")[0]
            if source.startswith("."):
                assert (ROOT / source).exists(), volume
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source


def test_the_image_installs_only_what_is_locked_by_hash_and_runs_without_rights() -> None:
    for name in re.findall(r"-r (\S+)", DOCKERFILE):
        text = (ROOT / name).read_text()
        pinned = re.findall(r"^[a-z0-9_.-]+(?:\[[a-z,]+\])?==", text, re.MULTILINE)
        assert pinned
        assert text.count("--hash=sha256:") >= len(pinned)
    installs = re.findall(r"pip install (.+)", DOCKERFILE)
    assert all("--require-hashes" in one or "--no-index" in one for one in installs)
    assert re.search(r"^USER gateway$", DOCKERFILE, re.MULTILINE)


def test_the_compose_file_is_one() -> None:
    command = needed("docker-compose", package="docker-compose")
    done = subprocess.run(
        [command, "--profile", "demo", "config", "-q"],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
