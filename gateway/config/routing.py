"""Routes, and whether what they name exists."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from gateway.domain.routes import AUTO, Route, RouteMatch
from gateway.domain.topology import Agent, Team

from . import route_manual as manual
from .faults import suggestion
from .reading import Given


def routes(
    given: list[Given],
    known_agents: Mapping[str, Agent],
    known_teams: Mapping[str, Team],
    folder: Path,
) -> tuple[Route, ...]:
    """The routes of the file, each with a name of its own."""
    found: list[Route] = []
    names: set[str] = set()
    for number, one in enumerate(given, 1):
        route = _route(one, known_agents, known_teams, folder)
        name = route.name or f"route-{number}"
        if name in names:
            one.fault("name", f"there is a route {name} already", "Give each its own name.")
        names.add(name)
        found.append(replace(route, name=name))
    return tuple(found)


def bounded(agent: Agent, given: Given) -> Agent:
    """An agent with the floor and the ceiling of its routes."""
    bounds = given.section(manual.BOUNDS)
    return replace(agent, floor=bounds.get(manual.FLOOR), ceiling=bounds.get(manual.CEILING))


def _route(
    given: Given,
    known_agents: Mapping[str, Agent],
    known_teams: Mapping[str, Team],
    folder: Path,
) -> Route:
    match = given.section(manual.MATCH)
    named_agents = match.series(manual.MATCH_AGENTS)
    named_teams = match.series(manual.MATCH_TEAMS)
    _check_known(match, "agents", named_agents, known_agents)
    _check_known(match, "teams", named_teams, known_teams)
    scorer = given.get(manual.SCORER)
    for field in (manual.SIMPLE, manual.COMPLEX):
        model = given.get(field)
        if model is not None and (model == AUTO or model.startswith(f"{AUTO}:")):
            given.fault(field.name, f"{model} is no model that a provider has", "Name a real one.")
    return Route(
        match=RouteMatch(
            model=match.get(manual.MATCH_MODEL),
            agents=named_agents,
            teams=named_teams,
            priorities=match.series(manual.MATCH_PRIORITIES),
            tags=match.series(manual.MATCH_TAGS),
            path=match.get(manual.MATCH_PATH),
        ),
        simple=given.get(manual.SIMPLE),
        mode=given.get(manual.MODE),
        complex=given.get(manual.COMPLEX) or "",
        name=given.get(manual.NAME) or "",
        threshold=given.get(manual.THRESHOLD),
        headers=given.series(manual.HEADERS),
        holdout=given.get(manual.HOLDOUT),
        margin=given.get(manual.MARGIN),
        min_volume=given.get(manual.MIN_VOLUME),
        scorer=None if scorer is None else str(folder / scorer),
        can=given.series(manual.CAN),
        context_tokens=given.get(manual.CONTEXT),
    )


def _check_known(
    given: Given, field: str, names: tuple[str, ...], known: Mapping[str, object]
) -> None:
    for i, name in enumerate(names):
        if name not in known:
            listed = ", ".join(known)
            remedy = suggestion(
                name,
                known,
                f"Defined under {field}: {listed}." if known else f"No {field} are defined.",
            )
            told = given.shown(field, name, i)
            given.fault(field, f"there is no {field.removesuffix('s')} {told}", remedy)
