"""Printing."""

import pytest

from gateway.cli.output import emit, emit_json, emit_table, say


def test_a_table_is_aligned_and_has_no_trailing_spaces(capsys: pytest.CaptureFixture[str]) -> None:
    emit_table(("ID", "AGENT"), [("1", "alice"), ("1000", "")])
    assert capsys.readouterr().out == "ID    AGENT\n1     alice\n1000\n"


def test_data_and_what_is_said_about_it_go_apart(capsys: pytest.CaptureFixture[str]) -> None:
    emit("data")
    emit_json({"größe": 1}, indent=None)
    say("said")
    told = capsys.readouterr()
    assert (told.out, told.err) == ('data\n{"größe": 1}\n', "said\n")
