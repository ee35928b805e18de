"""The trained scorer: how much a text would gain from the strong model, and so how simple it is.

A linear model over `features`, fitted by ridge regression to the gain (strong minus weak outcome).
The gain and not the weak model's failure: what is too hard for both is not worth paying for. Its
scale means nothing to an operator, so a predicted gain is told as a rank: the share of the training
texts that would have gained more. A threshold of 0.6 then moves what belongs to the simplest 40 %.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from gateway.domain.call import CallFacts
from gateway.domain.signals import Signals

from .features import WIDTH, Array, features
from .score import Score

RANKS = 201


class Claim(StrEnum):
    """What the data of a scorer shows. It claims no more than that."""

    NOTHING = "nothing"
    """No better than the prompt's length."""
    KNOWN_KINDS = "known_kinds"
    """Better than the length on texts like those it was trained on; not shown on other kinds."""
    UNSEEN_KINDS = "unseen_kinds"
    """Better than the length also on kinds of texts that it was not trained on."""


@dataclass(frozen=True)
class TrainedScorer:
    """A fitted model.

    Attributes:
        weights: Of `features`.
        ranks: The predicted gains of the training texts at even shares, ascending.
        claim: What the evaluation has shown.
        rows: How many texts it was fitted to.
    """

    weights: Array
    ranks: Array
    claim: Claim
    rows: int

    def __post_init__(self) -> None:
        if self.weights.shape != (WIDTH,) or self.ranks.shape != (RANKS,):
            raise ValueError("this scorer was made for other features")

    def gain(self, text: str) -> float:
        """The predicted gain of the strong model."""
        return float(features(text) @ self.weights)

    def simplicity(self, text: str) -> float:
        """The share of the training texts that gain more, 0 to 1."""
        below = int(np.searchsorted(self.ranks, self.gain(text)))
        return 1.0 - min(below, RANKS - 1) / (RANKS - 1)

    def __call__(self, signals: Signals, facts: CallFacts) -> Score:
        """The score of a call, by its newest ask."""
        del facts
        simplicity = self.simplicity(signals.ask)
        return Score(simplicity, (("predicted gain", 1.0 - simplicity),))


def ranks_of(gains: npt.NDArray[np.float64]) -> Array:
    """The predicted gains at even shares."""
    return np.quantile(gains, np.linspace(0.0, 1.0, RANKS)).astype(np.float32)
