import pytest

from gateway.config import read_environment
from gateway.config.environment import export


def test_the_environment_is_a_copy_that_cannot_be_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_TEST_ONE", "1")
    environment = read_environment()
    monkeypatch.setenv("GATEWAY_TEST_ONE", "2")
    assert environment["GATEWAY_TEST_ONE"] == "1"
    with pytest.raises(TypeError):
        environment["GATEWAY_TEST_ONE"] = "3"  # type: ignore[index]  # that is the point


def test_an_exported_variable_is_in_the_environment_of_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GATEWAY_TEST_ONE", "1")
    export("GATEWAY_TEST_ONE", "2")
    assert read_environment()["GATEWAY_TEST_ONE"] == "2"
