"""Values of options."""

from collections.abc import Callable

import pytest
import typer

from gateway.cli.options import read_address, read_duration, read_name
from gateway.config import Listen


def test_values_are_read_as_in_the_configuration() -> None:
    assert read_duration("30d") == 30 * 86_400
    assert read_duration("500ms") == 0.5
    assert read_address("8090") == Listen("127.0.0.1", 8090)
    assert read_address("[::1]:1") == Listen("::1", 1)
    assert read_name("reviewer-1") == "reviewer-1"


@pytest.mark.parametrize(
    ("read", "text"),
    [(read_duration, "soon"), (read_duration, "-1s"), (read_address, ":80"), (read_name, "a/b")],
)
def test_what_makes_no_sense_is_wrong_usage(read: Callable[[str], object], text: str) -> None:
    with pytest.raises(typer.BadParameter):
        read(text)
