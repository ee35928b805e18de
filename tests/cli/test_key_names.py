"""Naming keys."""

import pytest

from gateway.cli.key_names import public_part


@pytest.mark.parametrize(
    "text",
    ["k6zzsk4u", "gw-k6zzsk4u", "gw-k6zzsk4u-tlnqhwtlozvtblzftocol5ir3pz5mwoy", " k6zzsk4u\n"],
)
def test_a_key_is_named_by_its_id_or_as_a_whole(text: str) -> None:
    assert public_part(text) == "k6zzsk4u"


def test_what_is_no_key_stays_as_it_is() -> None:
    assert public_part("sk-ant-something") == "sk-ant-something"
