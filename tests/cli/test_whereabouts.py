"""Finding the gateway."""

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.cli.failing import ExitCode, Failure
from gateway.cli.whereabouts import callable_url, gateway_url, leaving_address
from gateway.config import Listen, Settings, StateSettings, simulated_settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    everywhere = Listen("0.0.0.0", 8080)  # noqa: S104 - nothing listens
    state = StateSettings(None, tmp_path)
    return simulated_settings("http://127.0.0.1:1", listen=everywhere, state=state)


def test_the_option_wins_then_the_environment_then_what_the_gateway_left(
    settings: Settings,
) -> None:
    environment = {"GATEWAY_URL": "http://two:2/"}
    with leaving_address(settings.state.dir) as leave:
        leave("http://three:3")
        assert gateway_url("http://one:1/v1", environment, settings) == "http://one:1"
        assert gateway_url(None, environment, settings) == "http://two:2"
        assert gateway_url(None, {}, settings) == "http://three:3"
    assert gateway_url(None, {}, settings) == "http://127.0.0.1:8080"


def test_another_gateways_address_is_left_alone(settings: Settings) -> None:
    with leaving_address(settings.state.dir) as first:
        first("http://one:1")
        with leaving_address(settings.state.dir) as second:
            second("http://two:2")
            with leaving_address(settings.state.dir):
                pass
            assert gateway_url(None, {}, settings) == "http://two:2"
    assert not list(settings.state.dir.iterdir())


@pytest.mark.parametrize("text", ["127.0.0.1:8080", "ftp://host", "http://"])
def test_what_is_no_address_is_wrong_usage(text: str, settings: Settings) -> None:
    with pytest.raises(Failure, match="is not the address of a gateway") as caught:
        gateway_url(text, {}, settings)
    assert caught.value.code is ExitCode.USAGE


@pytest.mark.parametrize(
    ("url", "called"),
    [
        ("http://0.0.0.0:80", "http://127.0.0.1:80"),
        ("http://[::]:80", "http://[::1]:80"),
        ("http://10.0.0.1:80", "http://10.0.0.1:80"),
    ],
)
def test_all_interfaces_are_called_on_loopback(url: str, called: str) -> None:
    assert callable_url(url) == called


def test_an_ipv6_address_is_written_with_brackets(settings: Settings) -> None:
    assert gateway_url(None, {}, replace(settings, listen=Listen("::1", 9))) == "http://[::1]:9"
