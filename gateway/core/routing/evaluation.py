"""What a way of routing is worth, by outcomes: APGR and CPT, with intervals.

A router ranks texts by how much they seem to need the strong model. Sending the first share of
them to it recovers a part of the gap between the two models: the *performance gap recovered*. Its
average over all shares is the APGR (0.5 for chance, which recovers as much as it pays for), and
CPT(x) is the smallest share at which x of the gap is recovered. Terms of RouteLLM (Ong et al.).

Intervals are percentiles of a bootstrap over groups and not over rows, since rows of a group are
not independent: texts for known kinds, whole labels for kinds held out.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from gateway.domain.value import value

from .scorer import Claim
from .training import Data, Floats, Folds

RESAMPLES = 300
LEAST_ROWS = 200
LEAST_LABELS = 5
_SEED = 20_261_125


@value
class Interval:
    """A figure with its 95 % interval."""

    figure: float
    low: float
    high: float

    def __str__(self) -> str:
        """As it is printed."""
        return f"{self.figure:.3f} [{self.low:.3f}, {self.high:.3f}]"


@value
class Standing:
    """One way of routing.

    Attributes:
        apgr: See above.
        over_length: Its APGR less that of the prompt's length, on the same resamples.
        cpt50: The share of strong calls that recovers half of the gap.
        cpt80: The share that recovers four fifths.
    """

    apgr: Interval
    over_length: Interval
    cpt50: float
    cpt80: float


@value
class Report:
    """One split of the data.

    Attributes:
        name: How it was split.
        standings: By way of routing.
        gap: The strong model's mean outcome less the weak one's.
        groups: How many independent groups there are.
    """

    name: str
    standings: Mapping[str, Standing]
    gap: Interval
    groups: int


LENGTH, SCORER, RANDOM, LABELS = "prompt length", "trained scorer", "random", "label table"


def report(name: str, data: Data, needs: Mapping[str, Floats], groups: Folds) -> Report:
    """Compare ways of routing on one split.

    Args:
        name: How the data was split.
        data: The outcomes.
        needs: For each way of routing, how much each row seems to need the strong model; among
            them the prompt's length.
        groups: What is resampled.
    """
    ways = list(needs)
    draws = _resampled(data, [needs[way] for way in ways], groups)
    gains = draws[:, -1]
    length = ways.index(LENGTH)
    standings = {
        way: Standing(
            _interval(apgr(needs[way], data.gain), draws[:, number]),
            _interval(
                apgr(needs[way], data.gain) - apgr(needs[LENGTH], data.gain),
                draws[:, number] - draws[:, length],
            ),
            cpt(needs[way], data.gain, 0.5),
            cpt(needs[way], data.gain, 0.8),
        )
        for number, way in enumerate(ways)
    }
    gap = _interval(float(data.gain.mean()), gains)
    return Report(name, standings, gap, len(np.unique(groups)))


def claim_of(known: Report, unseen: Report | None) -> Claim:
    """What two reports allow to be claimed: each interval must be clear of what it is held to."""
    if known.gap.low <= 0 or not _better(known.standings[SCORER]):
        return Claim.NOTHING
    if unseen is None or unseen.groups < LEAST_LABELS or not _better(unseen.standings[SCORER]):
        return Claim.KNOWN_KINDS
    return Claim.UNSEEN_KINDS


def _better(standing: Standing) -> bool:
    """Better than chance and than the prompt's length."""
    return standing.apgr.low > 0.5 and standing.over_length.low > 0


def apgr(need: Floats, gain: Floats) -> float:
    """The average performance gap recovered. Rows that seem alike are taken in mixed order."""
    total = float(gain.sum())
    if total <= 0:
        return 0.5
    curve = _curve(need, gain)
    return float((curve[1:] + curve[:-1]).mean() / 2 / total)


def cpt(need: Floats, gain: Floats, part: float) -> float:
    """The smallest share of strong calls that recovers a part of the gap; 1 if none does."""
    curve = _curve(need, gain)
    reached = np.flatnonzero(curve >= part * curve[-1])
    return float(reached[0] / (len(curve) - 1)) if curve[-1] > 0 and len(reached) else 1.0


def _curve(need: Floats, gain: Floats) -> Floats:
    """The gap recovered after each row; ties share their gain evenly, whatever their order."""
    order = np.argsort(-need, kind="stable")
    sorted_need, sorted_gain = need[order], gain[order]
    starts = np.flatnonzero(np.concatenate(([True], sorted_need[1:] != sorted_need[:-1])))
    counts = np.diff(np.concatenate((starts, [len(need)])))
    means = np.add.reduceat(sorted_gain, starts) / counts
    return np.concatenate(([0.0], np.cumsum(np.repeat(means, counts))))


def _resampled(data: Data, needs: Sequence[Floats], groups: Folds) -> Floats:
    """For each resample, the APGR of each way and the gap."""
    random = np.random.default_rng(_SEED)
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    found = np.empty((RESAMPLES, len(needs) + 1))
    for draw in range(RESAMPLES):
        picked = random.integers(len(members), size=len(members))
        rows = np.concatenate([members[one] for one in picked])
        gain = data.gain[rows]
        for number, need in enumerate(needs):
            found[draw, number] = apgr(need[rows], gain)
        found[draw, -1] = gain.mean()
    return found


def _interval(figure: float, draws: Floats) -> Interval:
    low, high = np.quantile(draws, (0.025, 0.975))
    return Interval(figure, float(low), float(high))
