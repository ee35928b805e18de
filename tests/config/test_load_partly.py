"""Reading a configuration of which only some sections have to be right."""

from pathlib import Path

import pytest

from gateway.config import ConfigError, Listen, load, load_text

WHEREABOUTS = ("listen", "state")


def test_without_provider_keys_the_whereabouts_are_still_known(tmp_path: Path) -> None:
    settings = load(None, {}, folder=tmp_path, only=WHEREABOUTS)
    assert settings.listen == Listen("127.0.0.1", 8080)
    assert settings.state.dir == tmp_path / "var"
    with pytest.raises(ConfigError):
        load(None, {}, folder=tmp_path)


def test_faults_of_other_sections_do_not_count(tmp_path: Path) -> None:
    raw = b"""
listen: 127.0.0.1:9999
providers: {claude: {dialect: anthropic, api_key: "${UNSET}"}}
lanes: {one: {provider: nobody, models: ["*"], limits: {rpm: many}}}
agents: {alice: {team: none-such, key: "${UNSET_TOO}"}}
"""
    settings = load_text(raw, {}, folder=tmp_path, only=WHEREABOUTS)
    assert settings.listen == Listen("127.0.0.1", 9999)
    assert settings.agent_keys == {}


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b"listen: nowhere:at:all", "listen"),
        (b'state: {url: "redis://${UNSET}:6379"}', "state.url"),
        (b"[1, 2]", ""),
        (b"a: [", ""),
    ],
)
def test_faults_of_the_sections_asked_for_do_count(raw: bytes, field: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(raw, {}, folder=tmp_path, only=WHEREABOUTS)
    assert {fault.field for fault in caught.value.faults} == {field}


def test_an_anchor_that_holds_itself_ends_the_reading_in_any_section(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds itself"):
        load_text(b"agents: &a\n  one: *a\n", {}, folder=tmp_path, only=WHEREABOUTS)
