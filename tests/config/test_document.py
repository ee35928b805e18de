"""YAML to places: syntax faults, bounds, anchors."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.document import (
    MAX_BYTES,
    MAX_VALUES,
    Entries,
    Items,
    Scalar,
    Tree,
    parse_document,
)
from gateway.config.faults import ConfigError, Fault, Faults


def parse(text: str | bytes, environment: dict[str, str] | None = None) -> Tree:
    faults = Faults("f.yaml")
    raw = text.encode() if isinstance(text, str) else text
    tree = parse_document(raw, "f.yaml", environment or {}, faults)
    faults.raise_if_any()
    return tree


def faults_of(text: str | bytes) -> tuple[Fault, ...]:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return caught.value.faults


def plain(tree: Tree) -> object:
    match tree:
        case Scalar():
            return tree.text
        case Items():
            return [plain(item) for item in tree.items]
        case Entries():
            return {key: plain(value) for key, (_, value) in tree.entries.items()}


BROKEN = [
    ("a: [1, 2\nb: 3", 2, "is not YAML"),
    ("a:\n\tb: 1", 2, "Indent with spaces: YAML does not allow tabs."),
    ("a: b: c", 1, "Is a quote missing, or the indentation wrong?"),
    ("a: 1\n  b: 2", 2, "Is a quote missing"),
    ("- a\nb: 1", 2, "Is the indentation the same"),
    ("a: {k: ${X}}", 1, "put ${NAME} and values with commas into quotes"),
    ("a: 1\n---\nb: 2", 2, "Keep one document"),
    ("a: *nowhere", 1, "an alias (*name) has no anchor (&name)"),
    ("a: 'x", 1, "is not YAML"),
    ("a: !!python/object/apply:os.system [ls]", 1, "YAML tags (!name) are not used here"),
    ("a: !secret x", 1, "YAML tags (!name) are not used here"),
    ("a: !x!y z", 1, "a value starts with !"),
    ("a: @x", 1, "Put the value into quotes."),
    ("a: &x {b: *x}", 1, "an anchor that holds itself"),
    ("a: {<<: 5}", 1, "<< needs a map"),
    (b"a: 1\nb: \0", 2, "the file holds a NUL byte"),
    (b"a: 1\nb: \xff", 2, "the file holds a byte that is not UTF-8"),
    ("a: \x07", 1, "is not YAML"),
    ("[" * 40 + "]" * 40, 1, "more than 32 levels"),
    ("[" * 200_000, 1, "more than 32 levels"),
]


@pytest.mark.parametrize(("text", "line", "expected"), BROKEN)
def test_what_is_not_proper_yaml_is_refused_with_its_line(
    text: str | bytes, line: int, expected: str
) -> None:
    (fault,) = faults_of(text)
    assert expected in str(fault)
    if "\x07" not in str(text):  # the reader fails before it counts lines
        assert fault.line == line
        assert fault.column > 0


def test_a_huge_file_is_refused_before_it_is_parsed() -> None:
    (fault,) = faults_of(b"#" * (MAX_BYTES + 1))
    assert "larger than 1024 KiB" in fault.message


def test_aliases_cannot_multiply_without_bound() -> None:
    bomb = "l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]\n" for i in range(1, 10)
    )
    (fault,) = faults_of(bomb)
    assert f"more than {MAX_VALUES} values" in fault.message


def test_anchors_aliases_and_merges_are_expanded_and_own_entries_win() -> None:
    tree = parse("x-a: &a {k: 1, m: 2}\nx-b: &b {k: 3, n: 4}\nc: *a\nd: {<<: [*a, *b], m: 5}")
    assert plain(tree) == {"c": {"k": "1", "m": "2"}, "d": {"k": "1", "m": "5", "n": "4"}}


def test_an_extension_counts_only_where_it_is_used() -> None:
    assert plain(parse("x-unused: ${NOT_SET}\na: 1")) == {"a": "1"}


@pytest.mark.parametrize("text", ["", "# nothing\n", "\ufeff# byte order mark", "---\n"])
def test_an_empty_file_is_an_empty_map_or_nothing(text: str) -> None:
    tree = parse(text)
    assert plain(tree) in ({}, "")


def test_what_a_variable_holds_never_becomes_structure() -> None:
    tree = parse("a: ${X}", {"X": "{b: [1, *c]}\nd: 2"})
    assert plain(tree) == {"a": "{b: [1, *c]}\nd: 2"}


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_with_a_configuration_error(raw: bytes) -> None:
    with suppress(ConfigError):
        parse(raw)


@given(st.text(alphabet="ab:-[]{}&*!|>'\"%@#,? \n\t${}<", max_size=60))
def test_any_text_is_read_or_refused_with_a_configuration_error(text: str) -> None:
    with suppress(ConfigError):
        parse(text)
