"""Limits of the simulated providers, as they are written on the command line.

`rpm=50,itpm=80000,otpm=16000` is one limit that all models of a dialect share;
`claude-sonnet-*:rpm=50,itpm=80000` limits the models that a pattern matches, the first match wins;
`none` is no limit at all.
"""

from collections.abc import Iterable
from dataclasses import fields

from gateway.domain.call import Dialect
from gateway.domain.limits import LaneLimits
from gateway.domain.topology import Topology
from gateway.simulator.settings import LimitRule, Limits

_NUMBERS = tuple(one.name for one in fields(Limits) if one.name != "burst")

_WILDCARDS = frozenset("*?[")


class BadLimits(ValueError):  # noqa: N818 - answered as a usage error
    """The text means no limits; the message says why."""


def rules(texts: Iterable[str]) -> tuple[LimitRule, ...]:
    """The rules of one dialect.

    Raises:
        BadLimits: A text means none.
    """
    return tuple(_rule(text) for text in texts if text != "none")


def _rule(text: str) -> LimitRule:
    models, colon, numbers = text.rpartition(":")
    if not colon:
        models = "*"
    limits: dict[str, int] = {}
    for part in numbers.split(","):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name not in _NUMBERS:
            raise BadLimits(f"{part!r} is not NAME=NUMBER with one of {', '.join(_NUMBERS)}")
        if not value.isdecimal() or int(value) < 1:
            raise BadLimits(f"{name} must be a whole number of at least 1, not {value!r}")
        limits[name] = int(value)
    return LimitRule(models, Limits(**limits), shared=True)


def written(models: str, limits: LaneLimits) -> str:
    """A lane's limits as a rule on the command line."""
    numbers = {
        "rpm": limits.rpm,
        "itpm": limits.itpm,
        "otpm": limits.otpm,
        "tpm": limits.tpm,
        "concurrency": limits.concurrency,
    }
    given = ",".join(f"{name}={value}" for name, value in numbers.items() if value is not None)
    return f"{models}:{given}" if given else ""


def mirroring(topology: Topology) -> dict[Dialect, list[str]]:
    """Rules under which the simulator enforces what the lanes of a configuration say."""
    found: dict[Dialect, list[str]] = {dialect: [] for dialect in Dialect}
    for lane in topology.lanes.values():
        dialect = topology.providers[lane.provider].dialect
        texts = (written(pattern, lane.limits) for pattern in lane.models)
        found[dialect].extend(text for text in texts if text)
    return found


def single_models(topology: Topology) -> list[tuple[Dialect, str]]:
    """The models that lanes name in full, so that the simulator can know them."""
    return [
        (topology.providers[lane.provider].dialect, model)
        for lane in topology.lanes.values()
        for model in lane.models
        if not set(model) & _WILDCARDS
    ]
