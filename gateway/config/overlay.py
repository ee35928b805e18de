"""The configuration with what was changed at run time laid over it, read by the rules of the file.

Items are written down as the file would have them, changed, and read again: so a change is checked
by the same code as the file, and a fault names the same field. Variables are not put in: `${NAME}`
in a change is text, since whoever may change a setting must not read the environment by it.

Failure policy: a change that does not fit is refused whole (`overlaid`). Changes that are stored
already but do not fit this replica's file (another replica took them, or the file was changed
since) are left out item by item, and told (`overlaid_as_far_as_it_fits`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from gateway.core.temporary import holding
from gateway.domain.access import Json
from gateway.domain.overrides import Collection, ItemOverride
from gateway.domain.temporary import TemporaryBudget
from gateway.domain.topology import Agent, Team, Topology, default_lane

from . import fleet, manual
from .accounts import providers_from_file
from .document import Entries, Items, Scalar, Tree
from .faults import ConfigError, Fault, Faults
from .kinds import Unfit
from .reading import Book, Given, Origin, Plain
from .settings import Settings
from .show import items
from .texts import check_name

_NOWHERE = (0, 0)
_BY_DIALECT = ("counts_cached_input", "charges_max_output")
"""Settings of a lane whose default follows from its provider, so they are not written down."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A change that does not fit this replica's file, and why."""

    item: str
    faults: tuple[Fault, ...]


def overlaid(base: Settings, changes: Mapping[str, ItemOverride]) -> Settings:
    """The settings with changes of items, by `COLLECTION/NAME`.

    Raises:
        ConfigError: They do not fit.
    """
    if not changes:
        return base
    book = Book(Faults(""))
    root = Given(manual.SCHEMA, _tree(_documents(base, changes, book)), "", book)
    providers = providers_from_file(root.table(manual.PROVIDERS), {}, base.listen, Path(), book)
    lanes = fleet.lanes(root.table(manual.LANES), providers)
    teams = fleet.teams(root.table(manual.TEAMS))
    agents, keys = fleet.agents(root.table(manual.AGENTS), teams)
    _check_routes(base, agents, teams, book)
    fallbacks = fleet.fallbacks(root, lanes)
    book.faults.raise_if_any()
    topology = replace(
        base.topology,
        providers=providers,
        lanes=lanes,
        teams=teams,
        agents=agents,
        fallbacks=fallbacks,
    )
    origins = _origins(base.origins, changes)
    return replace(base, topology=topology, agent_keys=keys, origins=origins)


def overlaid_as_far_as_it_fits(
    base: Settings, changes: Mapping[str, ItemOverride]
) -> tuple[Settings, tuple[LeftOut, ...]]:
    """The settings with those changes that fit, and those that do not."""
    fitting = dict(changes)
    left_out: list[LeftOut] = []
    while True:
        try:
            return overlaid(base, fitting), tuple(left_out)
        except ConfigError as error:
            guilty = {item for item in fitting for one in error.faults if is_about(one, item)}
            for item in guilty or set(fitting):
                del fitting[item]
                left_out.append(LeftOut(item, error.faults))


def with_temporary(
    settings: Settings, budgets: Iterable[TemporaryBudget], now_s: float
) -> Settings:
    """The settings with the temporary budgets that hold now."""
    holds = holding(budgets, now_s)
    if not holds:
        return settings
    agents, teams = dict(settings.topology.agents), dict(settings.topology.teams)
    origins = dict(settings.origins)
    for one in holds:
        for name in one.selector.agents_in(settings.topology):
            agents[name] = replace(agents[name], budget=one.change.applied(agents[name].budget))
            _note(origins, one, f"agents.{name}")
        for name in one.selector.teams_in(settings.topology):
            teams[name] = replace(teams[name], budget=one.change.applied(teams[name].budget))
            _note(origins, one, f"teams.{name}")
    topology = replace(settings.topology, agents=agents, teams=teams)
    return replace(settings, topology=topology, origins=origins)


def _note(origins: dict[str, Origin], budget: TemporaryBudget, item: str) -> None:
    for name in budget.change.names:
        origins[f"{item}.budget.{name}"] = Origin(temporary=budget.budget_id)


def is_about(fault: Fault, item: str) -> bool:
    """Whether a fault is in an item (`COLLECTION/NAME`)."""
    at = item.replace("/", ".", 1)
    return fault.field == at or fault.field.startswith(f"{at}.")


def _documents(base: Settings, changes: Mapping[str, ItemOverride], book: Book) -> dict[str, Plain]:
    """All items as the file would have them, after the changes."""
    found = items(base, revealed=True)
    _leave_to_the_dialect(found[Collection.LANES], base.topology)
    for key, change in changes.items():
        collection, name = key.split("/", 1)
        table = found[collection]
        if change.deleted:
            table.pop(name, None)
            continue
        try:
            check_name(name)
        except Unfit as unfit:
            book.faults.add(_NOWHERE, f"{collection}.{name}", unfit.message, unfit.remedy)
            continue
        item = table.setdefault(name, {})
        for path, value in change.values.items():
            _put(item, path, value)
    fallbacks: dict[str, Plain] = {
        lane: list(models) for lane, models in base.topology.fallbacks.items()
    }
    return {**found, "fallbacks": fallbacks}


def _check_routes(
    base: Settings, agents: Mapping[str, Agent], teams: Mapping[str, Team], book: Book
) -> None:
    """Whether whom the routes name is still there."""
    for i, route in enumerate(base.routes):
        for kind, named, known in (
            ("agents", route.match.agents, agents),
            ("teams", route.match.teams, teams),
        ):
            for name in named:
                if name not in known:
                    told = f"there is no {kind.removesuffix('s')} {name}"
                    book.faults.add(_NOWHERE, f"routes[{i}].match.{kind}", told)


def _leave_to_the_dialect(lanes: Mapping[str, Plain], topology: Topology) -> None:
    for name, document in lanes.items():
        lane = topology.lanes[name]
        rule = default_lane(topology.providers[lane.provider], "*")
        for setting in _BY_DIALECT:
            if isinstance(document, dict) and document[setting] == getattr(rule, setting):
                del document[setting]


def _put(item: Plain, path: str, value: Json) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        assert isinstance(item, dict)  # noqa: S101 - items are made of objects down to values
        item = item.setdefault(parent, {})
    assert isinstance(item, dict)  # noqa: S101 - as above
    item[last] = _plain(value)


def _plain(value: Json) -> Plain:
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, bool | int | float | str) or value is None:
        return value
    raise TypeError("a setting is a single value or a list of them")


def _tree(value: Plain) -> Tree:
    if isinstance(value, dict):
        return Entries(
            _NOWHERE,
            {key: (_NOWHERE, _tree(inner)) for key, inner in value.items() if inner is not None},
        )
    if isinstance(value, list):
        return Items(_NOWHERE, tuple(_tree(inner) for inner in value))
    return Scalar(_NOWHERE, _text(value), plain=False)


def _text(value: bool | float | str | None) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else f"{Decimal(repr(value)):f}"
    return str(value)


def _origins(
    origins: Mapping[str, Origin], changes: Mapping[str, ItemOverride]
) -> dict[str, Origin]:
    found = dict(origins)
    for key, change in changes.items():
        at = key.replace("/", ".", 1)
        if change.deleted:
            found = {path: one for path, one in found.items() if not path.startswith(f"{at}.")}
        for path in change.values:
            found[f"{at}.{path}"] = Origin(runtime=change.changed_by)
    return found
