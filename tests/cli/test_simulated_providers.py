"""The simulator as providers; `test_serve` starts the real one."""

from pathlib import Path

import httpx2
import pytest

from gateway.cli.failing import Failure
from gateway.cli.simulated_providers import simulated
from gateway.config import load
from gateway.config.simulated import SIMULATOR_KEYS, with_simulator_keys
from gateway.domain.call import Dialect


def test_only_missing_provider_keys_get_a_stand_in() -> None:
    environment = with_simulator_keys({"GEMINI_API_KEY": "real", "PATH": "/bin"})
    assert environment == {
        "GEMINI_API_KEY": "real",
        "PATH": "/bin",
        "ANTHROPIC_API_KEY": SIMULATOR_KEYS[Dialect.ANTHROPIC],
        "OPENAI_API_KEY": SIMULATOR_KEYS[Dialect.OPENAI],
    }


def test_providers_without_lanes_get_modest_ones_that_the_simulator_enforces(
    tmp_path: Path,
) -> None:
    settings = load(None, with_simulator_keys({}), folder=tmp_path)
    with simulated(settings, "127.0.0.1:0") as pointed:
        url = pointed.topology.providers["claude"].base_url
        enforced = httpx2.get(f"{url}/_sim/settings", trust_env=False).json()["limits"]
        [rule] = enforced["anthropic"]
        lane = pointed.topology.lanes["claude"]
        assert (lane.models, lane.limits.itpm) == (("*",), rule["limits"]["itpm"])
        assert rule["shared"]
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(url, trust_env=False)


def test_a_simulator_that_does_not_start_is_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = load(None, with_simulator_keys({}), folder=tmp_path)
    with pytest.raises(Failure, match="did not start"), simulated(settings, "192.0.2.1:1"):
        pass
    assert "cannot listen on 192.0.2.1:1" in capfd.readouterr().err
