"""Lanes, teams and agents, and whether what they name exists."""

from collections.abc import Mapping

from gateway.domain.call import Priority
from gateway.domain.limits import Budget, LaneLimits
from gateway.domain.topology import Agent, Lane, Provider, Ramp, Team, default_lane

from . import manual, routing
from .faults import suggestion
from .reading import Given


def configured_lane(
    name: str, provider: Provider, models: tuple[str, ...], limits: LaneLimits
) -> Lane:
    """A lane with the charging rule of its provider's dialect."""
    rule = default_lane(provider, "*")
    return Lane(
        name,
        provider.name,
        models,
        limits,
        counts_cached_input=rule.counts_cached_input,
        charges_max_output=rule.charges_max_output,
    )


def lanes(given: Mapping[str, Given], providers: Mapping[str, Provider]) -> dict[str, Lane]:
    """The lanes of the file."""
    found: dict[str, Lane] = {}
    taken: dict[tuple[str, str], str] = {}
    for name, one in given.items():
        lane = _lane(name, one, providers)
        for i, pattern in enumerate(lane.models):
            other = taken.setdefault((lane.provider, pattern), name)
            if other != name:
                one.fault(
                    "models",
                    f"{one.shown('models', pattern, i)} is in lane {other} already, which would always win",
                    "Remove it from one of them.",
                )
        found[name] = lane
    return found


def _lane(name: str, given: Given, providers: Mapping[str, Provider]) -> Lane:
    provider = given.get(manual.LANE_PROVIDER)
    if provider and provider not in providers:
        given.fault(
            "provider",
            f"there is no provider {given.shown('provider', provider)}",
            suggestion(provider, providers, _listed("providers", providers)),
        )
    limits = given.section(manual.LIMITS)
    counts_cached = given.get(manual.COUNTS_CACHED)
    charges_max = given.get(manual.CHARGES_MAX)
    rule = default_lane(providers[provider], "*") if provider in providers else None
    return Lane(
        name=name,
        provider=provider,
        models=given.series(manual.LANE_MODELS),
        limits=LaneLimits(
            rpm=limits.get(manual.LANE_RPM),
            itpm=limits.get(manual.LANE_ITPM),
            otpm=limits.get(manual.LANE_OTPM),
            tpm=limits.get(manual.LANE_TPM),
            concurrency=limits.get(manual.LANE_CONCURRENCY),
        ),
        margin=given.get(manual.MARGIN),
        counts_cached_input=(
            counts_cached
            if counts_cached is not None
            else rule is not None and rule.counts_cached_input
        ),
        charges_max_output=(
            charges_max if charges_max is not None else rule is not None and rule.charges_max_output
        ),
        floors=_floors(given.section(manual.FLOORS)),
        ramp=_ramp(given.section(manual.RAMP)),
    )


def _ramp(given: Given) -> Ramp:
    start = given.get(manual.RAMP_START)
    if start <= 0:
        given.missing("start", "a lane that begins with nothing never begins", "Use 0.1 or more.")
    return Ramp(given.get(manual.RAMP_AFTER), start, given.get(manual.RAMP_OVER))


def _floors(given: Given) -> dict[Priority, float]:
    floors = {
        Priority.URGENT: given.get(manual.FLOOR_URGENT),
        Priority.NORMAL: given.get(manual.FLOOR_NORMAL),
        Priority.BACKGROUND: given.get(manual.FLOOR_BACKGROUND),
    }
    levels = list(floors.values())
    if levels != sorted(levels):
        given.missing(
            "background",
            "a lower priority must not have a lower floor than a higher one",
            "Keep urgent <= normal <= background.",
        )
    return floors


def teams(given: Mapping[str, Given]) -> dict[str, Team]:
    """The teams of the file."""
    return {name: Team(name, _budget(one.section(manual.BUDGET))) for name, one in given.items()}


def agents(
    given: Mapping[str, Given], known_teams: Mapping[str, Team]
) -> tuple[dict[str, Agent], dict[str, str]]:
    """The agents of the file, and the keys it gives them."""
    found: dict[str, Agent] = {}
    keys: dict[str, str] = {}
    owners: dict[str, str] = {}
    for name, one in given.items():
        found[name] = _agent(name, one, known_teams)
        key = one.get(manual.AGENT_KEY)
        if key is None:
            continue
        keys[name] = key
        other = owners.setdefault(key, name)
        if other != name:
            one.fault("key", f"agent {other} has the same key", "Give each agent its own.")
    return found, keys


def _agent(name: str, given: Given, known_teams: Mapping[str, Team]) -> Agent:
    team = given.get(manual.AGENT_TEAM)
    if team is not None and team not in known_teams:
        given.fault(
            "team",
            f"there is no team {given.shown('team', team)}",
            suggestion(team, known_teams, _listed("teams", known_teams)),
        )
    agent = Agent(
        name=name,
        team=team,
        priority=given.get(manual.AGENT_PRIORITY),
        weight=given.get(manual.AGENT_WEIGHT),
        budget=_budget(given.section(manual.BUDGET)),
        models=given.series(manual.AGENT_MODELS),
        cache_assist=given.get(manual.AGENT_CACHE_ASSIST),
    )
    return routing.bounded(agent, given)


def _budget(given: Given) -> Budget:
    return Budget(
        rpm=given.get(manual.BUDGET_RPM),
        tpm=given.get(manual.BUDGET_TPM),
        concurrency=given.get(manual.BUDGET_CONCURRENCY),
        usd_per_day_micro=given.get(manual.USD_PER_DAY),
        usd_per_month_micro=given.get(manual.USD_PER_MONTH),
        mode=given.get(manual.BUDGET_MODE),
    )


def fallbacks(root: Given, known_lanes: Mapping[str, Lane]) -> dict[str, tuple[str, ...]]:
    """The fallbacks of the file."""
    found = root.series_table(manual.FALLBACKS)
    for lane in found:
        if lane not in known_lanes:
            remedy = suggestion(lane, known_lanes, _listed("lanes", known_lanes))
            root.fault_at_entry(manual.FALLBACKS.name, lane, f"there is no lane {lane}", remedy)
    return dict(found)


def _listed(what: str, known: Mapping[str, object]) -> str:
    if not known:
        return f"No {what} are defined; add it under {what}."
    return f"Defined under {what}: {', '.join(known)}."
