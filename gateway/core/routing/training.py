"""Fits the trained scorer: ridge regression on the gain, and its predictions for texts held out."""

from collections.abc import Hashable, Iterable, Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from gateway.domain.value import value

from .features import WIDTH, Array, features

RIDGE = 30.0
"""How much large weights are punished. Fixed, so that no figure is chosen by looking at it."""
_FREE = 1e-3
QUESTION_FOLDS = 5
LABEL_FOLDS = 36
"""At most; with fewer labels, each is left out alone."""

Floats = npt.NDArray[np.float64]
Folds = npt.NDArray[np.intp]


@value
class Outcome:
    """How two models did on one text.

    Attributes:
        label: What kind of text it is; may be empty.
        weak: The weak model's outcome, from 0 (bad) to 1 (good).
        strong: The strong model's.
    """

    prompt: str
    weak: float
    strong: float
    label: str = ""


@value
class Data:
    """Outcomes as arrays. Rows with the same text belong together.

    Attributes:
        groups: A number for each text.
        labels: A number for each label.
    """

    matrix: Array
    weak: Floats
    strong: Floats
    groups: Folds
    labels: Folds

    @property
    def gain(self) -> Floats:
        """Strong minus weak."""
        return self.strong - self.weak


def data_of(outcomes: Sequence[Outcome]) -> Data:
    """Outcomes as arrays."""
    matrix = np.empty((len(outcomes), WIDTH), np.float32)
    for row, one in enumerate(outcomes):
        matrix[row] = features(one.prompt)
    return Data(
        matrix,
        np.array([one.weak for one in outcomes]),
        np.array([one.strong for one in outcomes]),
        _numbered(one.prompt for one in outcomes),
        _numbered(one.label for one in outcomes),
    )


def fit(data: Data, ridge: float = RIDGE) -> Floats:
    """The weights for all of the data."""
    return _few(data.matrix, data.gain, ridge) if len(data.gain) < WIDTH else _Many(data).fit(ridge)


def held_out(data: Data, folds: Folds, ridge: float = RIDGE) -> Floats:
    """How much each row needs the strong model, by a model that has seen none of its fold.

    Told as the rank among the texts that the model was fitted to, which is what it is used by: the
    models of the folds differ in their level, and gains of two of them cannot be compared.
    """
    many = _Many(data) if len(folds) >= WIDTH else None
    predicted = np.empty(len(folds))
    for fold in np.unique(folds):
        out = folds == fold
        if many is None:
            weights = _few(data.matrix[~out], data.gain[~out], ridge)
        else:
            weights = many.fit(ridge, without=out)
        known = np.sort(data.matrix[~out] @ weights)
        predicted[out] = np.searchsorted(known, data.matrix[out] @ weights) / len(known)
    return predicted


def label_means(data: Data, folds: Folds) -> Floats:
    """The mean gain of each row's label outside its fold, against all there; 0 for a new label."""
    predicted = np.empty(len(folds))
    for fold in np.unique(folds):
        out = folds == fold
        mean = data.gain[~out].mean()
        for label in np.unique(data.labels[out]):
            known = data.gain[~out & (data.labels == label)]
            predicted[out & (data.labels == label)] = known.mean() - mean if len(known) else 0.0
    return predicted


def folds_of(groups: Folds, count: int) -> Folds:
    """A fold for each row; rows of one group share theirs. The same each time."""
    order = sorted(range(int(groups.max()) + 1), key=_shuffled)
    fold = np.empty(len(order), np.intp)
    for place, group in enumerate(order):
        fold[group] = place % count
    return fold[groups]


def _shuffled(group: int) -> bytes:
    return blake2b(group.to_bytes(8, "big"), digest_size=8).digest()


class _Many:
    """More rows than features: the normal equations, from which a fold can be taken off."""

    def __init__(self, data: Data) -> None:
        self._data = data
        self._products = _products(data.matrix)
        self._target = data.matrix.T @ data.gain

    def fit(self, ridge: float, without: npt.NDArray[np.bool_] | None = None) -> Floats:
        """The weights, for all rows or for those outside a fold."""
        products, target = self._products.copy(), self._target
        if without is not None:
            rows = self._data.matrix[without]
            products -= _products(rows)
            target = target - rows.T @ self._data.gain[without]
        products[np.diag_indices_from(products)] += _penalty(ridge)
        return np.asarray(np.linalg.solve(products, target), np.float64)


def _few(rows: Array, gain: Floats, ridge: float) -> Floats:
    """Fewer rows than features: the same weights by the smaller, dual equations."""
    scaled = rows.astype(np.float64) / _penalty(ridge)
    kernel = scaled @ rows.T.astype(np.float64)
    kernel[np.diag_indices_from(kernel)] += 1.0
    return np.asarray(scaled.T @ np.linalg.solve(kernel, gain), np.float64)


def _penalty(ridge: float) -> Floats:
    penalty = np.full(WIDTH, ridge)
    penalty[-1] = _FREE  # the constant is not punished
    return penalty


def _products(rows: Array) -> Floats:
    return (rows.T @ rows).astype(np.float64)


def _numbered(names: Iterable[Hashable]) -> Folds:
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], np.intp)
