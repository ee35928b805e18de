"""The trained scorer: features, fitting, and what is claimed of it."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.routing import features as module
from gateway.core.routing.evaluation import apgr, cpt
from gateway.core.routing.features import BUCKETS, MAX_BYTES, features
from gateway.core.routing.judging import judged
from gateway.core.routing.scorer import Claim
from gateway.core.routing.training import RIDGE, Outcome, _Many, data_of, fit, folds_of
from gateway.domain.call import CallFacts
from gateway.domain.signals import Signals
from gateway.wiring.scorers import BadScorer, load_scorer, save_scorer

WORDS = ("apple", "bridge", "candle", "dragon", "engine", "forest", "garden", "harbor")


def outcomes(count: int, *, kinds: int = 5, hidden: bool = False) -> list[Outcome]:
    """Texts of many kinds; the strong model helps where "proof" stands, or where nothing shows."""
    random = np.random.default_rng(1)
    found = []
    for number in range(count):
        hard = bool(random.integers(2))
        words = list(random.choice(WORDS, size=12))
        if hard and not hidden:
            words[int(random.integers(12))] = "proof"
        text = f"{' '.join(words)} {number}"
        found.append(Outcome(text, float(not hard), 1.0, f"kind-{number % kinds}"))
    return found


def words_and_pairs(text: str) -> int:
    count = len(re.findall(rb"[0-9A-Za-z\x80-\xff]+", text.encode()[:MAX_BYTES]))
    return count + max(0, count - 1)


@given(st.text(max_size=400))
def test_a_word_has_the_same_hash_wherever_it_stands(text: str) -> None:
    assert len(module._hashes(text.encode())) == words_and_pairs(text)
    alone = module._hashes(b"word")
    within = module._hashes(f"{text} WORD".encode())
    assert alone[0] in within


@given(st.text(max_size=200))
def test_features_are_finite_and_of_one_length(text: str) -> None:
    found = features(text)
    assert np.isfinite(found).all()
    assert np.linalg.norm(found[:BUCKETS]) in (pytest.approx(1.0, abs=1e-4), 0.0)


def test_a_long_text_is_read_at_its_ends() -> None:
    long = "start " + "x " * 20_000 + "end"
    assert features(long).any()


def test_what_can_be_learned_is_learned_also_for_unseen_kinds(tmp_path: Path) -> None:
    scorer, found = judged(outcomes(300))
    assert found.claim is Claim.UNSEEN_KINDS
    assert found.known.standings["trained scorer"].apgr.low > 0.6
    assert scorer.simplicity("apple forest garden") > scorer.simplicity("apple forest proof")
    assert scorer(Signals(ask="a proof"), CallFacts("m")).simplicity == scorer.simplicity("a proof")
    path = tmp_path / "made.scorer"
    save_scorer(scorer, path)
    again = load_scorer(path)
    assert again.simplicity("a proof") == scorer.simplicity("a proof")
    assert (again.claim, again.rows) == (Claim.UNSEEN_KINDS, 300)
    assert b"pickle" not in path.read_bytes()


def test_what_cannot_be_learned_is_not_claimed() -> None:
    _, found = judged(outcomes(240, hidden=True))
    assert found.claim is Claim.NOTHING
    one_kind = [Outcome(one.prompt, one.weak, one.strong) for one in outcomes(240)]
    _, found = judged(one_kind)
    assert (found.claim, found.unseen) == (Claim.KNOWN_KINDS, None)


def test_a_perfect_order_recovers_the_most_and_chance_one_half() -> None:
    gain = np.array([1.0] * 20 + [0.0] * 80)
    assert apgr(gain, gain) == pytest.approx(0.9, abs=0.01)
    assert apgr(-gain, gain) == pytest.approx(0.1, abs=0.01)
    assert apgr(np.zeros(100), gain) == pytest.approx(0.5)
    assert cpt(gain, gain, 0.5) == pytest.approx(0.1)
    assert cpt(np.zeros(100), gain, 0.8) == pytest.approx(0.8)
    assert apgr(gain, np.zeros(100)) == 0.5


def test_few_rows_and_many_are_fitted_alike() -> None:
    data = data_of(outcomes(300))
    np.testing.assert_allclose(fit(data), _Many(data).fit(RIDGE), atol=1e-4)


def test_groups_are_never_divided() -> None:
    groups = np.array([n % 37 for n in range(400)], np.intp)
    folds = folds_of(groups, 5)
    assert set(folds) == set(range(5))
    for group in range(37):
        assert len(set(folds[groups == group])) == 1


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a scorer", None])
def test_a_file_that_is_no_scorer_says_so(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadScorer):
        load_scorer(path)


def test_arrays_of_another_shape_or_with_code_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    header = np.frombuffer(b'{"format": 1, "claim": "nothing", "rows": 1}', np.uint8)
    with path.open("wb") as file:
        np.savez(
            file, weights=np.zeros(3, np.float32), ranks=np.zeros(3, np.float32), header=header
        )
    with pytest.raises(BadScorer, match="other features"):
        load_scorer(path)
    with path.open("wb") as file:
        np.savez(file, weights=np.array([object()]), ranks=np.zeros(3), header=header)
    with pytest.raises(BadScorer):
        load_scorer(path)
