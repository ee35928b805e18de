"""Trains a scorer from outcomes and says what may be claimed of it."""

from collections.abc import Mapping, Sequence

import numpy as np

from gateway.domain.call import CallFacts
from gateway.domain.signals import Signals
from gateway.domain.value import value

from .evaluation import LABELS, LENGTH, RANDOM, SCORER, Report, claim_of, report
from .score import structural
from .scorer import Claim, TrainedScorer, ranks_of
from .training import (
    LABEL_FOLDS,
    QUESTION_FOLDS,
    Data,
    Floats,
    Folds,
    Outcome,
    data_of,
    fit,
    folds_of,
    held_out,
    label_means,
)

STRUCTURE = "structural score"


@value
class Judged:
    """What was found.

    Attributes:
        known: On texts of kinds that were seen.
        unseen: On kinds that were not; `None` if the data has only one label.
        claim: What this allows to be claimed.
    """

    known: Report
    unseen: Report | None
    claim: Claim


def judged(outcomes: Sequence[Outcome]) -> tuple[TrainedScorer, Judged]:
    """A scorer for all of the outcomes, and what models fitted to parts of them did on the rest."""
    data = data_of(outcomes)
    baselines = {
        LENGTH: np.array([float(len(one.prompt)) for one in outcomes]),
        STRUCTURE: np.array([1.0 - _structure(one.prompt) for one in outcomes]),
        RANDOM: np.zeros(len(outcomes)),
    }
    known = _split(
        "by question", data, folds_of(data.groups, QUESTION_FOLDS), data.groups, baselines
    )
    labels = len(np.unique(data.labels))
    unseen = None
    if labels > 1:
        folds = folds_of(data.labels, min(labels, LABEL_FOLDS))
        unseen = _split("leave labels out", data, folds, data.labels, baselines)
    claim = claim_of(known, unseen)
    weights = fit(data)
    ranks = ranks_of(data.matrix @ weights)
    scorer = TrainedScorer(weights.astype(np.float32), ranks, claim, len(outcomes))
    return scorer, Judged(known, unseen, claim)


def _split(
    name: str, data: Data, folds: Folds, groups: Folds, baselines: Mapping[str, Floats]
) -> Report:
    needs = {SCORER: held_out(data, folds), LABELS: label_means(data, folds), **baselines}
    return report(name, data, needs, groups)


def _structure(prompt: str) -> float:
    """The structural score of a prompt that is all of a call."""
    signals = Signals(ask=prompt, ask_bytes=len(prompt.encode("utf-8", "replace")))
    return structural(signals, CallFacts("")).simplicity
