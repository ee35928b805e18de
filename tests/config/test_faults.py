import pytest

from gateway.config.faults import ConfigError, Fault, Faults, hidden, quoted, suggestion


def test_a_fault_reads_as_one_line_that_editors_can_jump_to() -> None:
    fault = Fault("g.yaml", 3, 7, "a.b", "it is wrong", "Make it right.")
    assert str(fault) == "g.yaml:3:7: a.b: it is wrong. Make it right."
    assert str(Fault("", 0, 0, "", "it is wrong")) == "it is wrong"


def test_faults_are_told_in_the_order_of_the_file_and_each_once() -> None:
    faults = Faults("g.yaml")
    faults.raise_if_any()
    faults.add((2, 1), "b", "x")
    faults.add((1, 5), "a", "x")
    faults.add((2, 1), "b", "x")
    with pytest.raises(ConfigError) as caught:
        faults.raise_if_any()
    assert [fault.field for fault in caught.value.faults] == ["a", "b"]


@pytest.mark.parametrize(
    "text", ["sk-ant-api03-abcdef", "x=sk-proj-abcdefgh", "AIzaSyABCDEFGH", "Bearer abcdefgh"]
)
def test_what_looks_like_a_credential_is_hidden(text: str) -> None:
    assert "abcdef" not in hidden(text).lower()
    assert "abcdef" not in quoted(text).lower()


def test_long_and_address_like_values_are_not_quoted() -> None:
    assert "a" * 20 not in quoted("a" * 60)
    assert "pw" not in quoted("user:pw@host")
    assert quoted("word " * 20).endswith("…'")


def test_ordinary_words_are_quoted() -> None:
    assert quoted("sonnet-risk-x") == "'sonnet-risk-x'"


def test_a_suggestion_is_the_nearest_word_or_the_list() -> None:
    assert suggestion("tmp", ["rpm", "tpm"]) == "Did you mean tpm?"
    assert suggestion("zzz", ["rpm", "tpm"]) == "Known here: rpm, tpm."
    assert suggestion("zzz", []) == ""
    assert suggestion("zzz", ["a"], "Do this.") == "Do this."
