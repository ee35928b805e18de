import pytest

from gateway.config import read_environment


def test_the_environment_is_a_copy_that_cannot_be_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_TEST_ONE", "1")
    environment = read_environment()
    monkeypatch.setenv("GATEWAY_TEST_ONE", "2")
    assert environment["GATEWAY_TEST_ONE"] == "1"
    with pytest.raises(TypeError):
        environment["GATEWAY_TEST_ONE"] = "3"  # type: ignore[index]  # that is the point
