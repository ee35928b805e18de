import pytest

from gateway.config import texts
from gateway.config.kinds import Unfit
from gateway.config.texts import Listen, Special


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8080", Listen("127.0.0.1", 8080)),
        ("0.0.0.0:0", Listen("0.0.0.0", 0)),  # noqa: S104 - only read
        ("gateway.internal:80", Listen("gateway.internal", 80)),
        ("[::1]:8080", Listen("::1", 8080)),
        ("9000", Listen("127.0.0.1", 9000)),
    ],
)
def test_an_address_is_read(text: str, expected: Listen) -> None:
    assert texts.address().parse(text) == expected


@pytest.mark.parametrize("text", ["", "host", "::1:80", "host:", "host:65536", "a b:80", ":80"])
def test_an_improper_address_is_refused(text: str) -> None:
    with pytest.raises(Unfit):
        texts.address().parse(text)


@pytest.mark.parametrize(
    "text",
    ["redis://h", "redis://h:6379/0", "rediss://u:p@h/3", "valkey://h", "unix:///run/valkey.sock"],
)
def test_a_store_url_is_kept_as_written(text: str) -> None:
    assert texts.store_url().parse(text) == text


@pytest.mark.parametrize("text", ["h:6379", "redis://", "redis://h:0", "redis://h h", "unix://x"])
def test_an_improper_store_url_is_refused(text: str) -> None:
    with pytest.raises(Unfit):
        texts.store_url().parse(text)


def test_the_special_words_of_a_provider_key_are_not_keys() -> None:
    kind = texts.provider_credential()
    assert kind.parse("none") is Special.NONE
    assert kind.parse("passthrough") is Special.PASSTHROUGH
    assert kind.parse("other") == "other"


@pytest.mark.parametrize("name", ["a", "claude-3.5_x", "0"])
def test_a_name_is_accepted(name: str) -> None:
    assert texts.check_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", "a/b", "a:b", "ä", "a{b}", "a" * 65, "a\n"])
def test_a_name_that_would_break_paths_or_store_keys_is_refused(name: str) -> None:
    with pytest.raises(Unfit):
        texts.check_name(name)
