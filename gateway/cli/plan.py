"""`gateway plan`: how many agents fit, what they wait, what a month costs, when machines pay.

Alone, it plans from what a running gateway has observed; its commands plan from given figures.
"""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from .options import AsJson, Config, GatewayUrl
from .output import emit, emit_json, emit_table
from .plan_options import (
    LANES,
    PRICES,
    Agents,
    BatchShare,
    Cached,
    Calls,
    Days,
    Fresh,
    Hours,
    Model,
    On,
    Output,
    OwnPrice,
    PerMinute,
    RouteShare,
    RouteTo,
    Written,
    listed_price,
    price_of,
    settings_of,
)
from .plan_tables import count, show_capacity, show_month, usd

if TYPE_CHECKING:
    from gateway.config import Settings
    from gateway.core.capacity import Rules
    from gateway.domain.limits import LaneLimits

app = typer.Typer(add_completion=False, invoke_without_command=True)


@app.callback()
def observed(  # noqa: PLR0913, PLR0917 - one argument for each figure
    context: typer.Context,
    hours: Annotated[int, typer.Option(help="How far to look back.", min=1, max=8760)] = 24,
    agents: Annotated[
        int | None, typer.Option(help="Loads and waits of so many; without: as observed.", min=1)
    ] = None,
    route_to: RouteTo = None,
    route_share: RouteShare = 0.0,
    batch_share: BatchShare = 0.0,
    config: Config = None,
    url: GatewayUrl = None,
    as_json: AsJson = False,
) -> None:
    """Plan agents, waits and cost: from what was observed, or from figures (see the commands)."""
    if context.invoked_subcommand is None:
        from .plan_observed import show_observed

        query = {
            "hours": hours,
            "agents": agents,
            "route_to": route_to,
            "route_share": route_share,
            "batch_share": batch_share,
        }
        show_observed(config, url, query, as_json=as_json)


@app.command()
def lane(  # noqa: PLR0913, PLR0917 - one argument for each figure
    name: Annotated[
        str | None,
        typer.Argument(metavar="[LANE]", help="Limits and rules of a lane of the configuration."),
    ] = None,
    fresh: Fresh = 0,
    cached: Cached = 0,
    written: Written = 0,
    output: Output = 0,
    max_output: Annotated[
        float, typer.Option(help="The maximum asked for, if the provider charges it.", min=0)
    ] = 0,
    duration: Annotated[float, typer.Option(help="Seconds at the provider.", min=0)] = 0,
    agents: Agents = 1,
    per_minute: PerMinute = 1.0,
    rpm: Annotated[int | None, typer.Option(help="Requests per minute.", min=1)] = None,
    itpm: Annotated[int | None, typer.Option(help="Input tokens per minute.", min=1)] = None,
    otpm: Annotated[int | None, typer.Option(help="Output tokens per minute.", min=1)] = None,
    tpm: Annotated[int | None, typer.Option(help="Tokens per minute.", min=1)] = None,
    concurrency: Annotated[int | None, typer.Option(help="Calls at once.", min=1)] = None,
    counts_cached: Annotated[
        bool, typer.Option(help="The provider counts cache reads against its limit.")
    ] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """How many agents the limits of a lane carry, and what one more does to waits."""
    from dataclasses import replace

    from gateway.core.capacity import Interaction, Rules, capacity

    limits, rules = _lane(settings_of(config, LANES), name) if name else (None, None)
    given = {"rpm": rpm, "itpm": itpm, "otpm": otpm, "tpm": tpm, "concurrency": concurrency}
    limits = _with(limits, {key: value for key, value in given.items() if value is not None})
    rules = rules or Rules()
    if counts_cached:
        rules = replace(rules, counts_cached_input=True)
    each = Interaction(fresh, cached, written, output, max_output or output, duration)
    found = capacity(limits, rules, each, per_minute, agents)
    if not found.bounds:
        raise typer.BadParameter("none of the limits given is one that these interactions take of")
    if as_json:
        emit_json({**asdict(found), "binding": found.bounds[0].dimension})
    else:
        show_capacity(found, agents)


@app.command()
def month(  # noqa: PLR0913, PLR0917 - one argument for each figure
    model: Model = None,
    own_price: OwnPrice = None,
    on: On = None,
    fresh: Fresh = 0,
    cached: Cached = 0,
    written: Written = 0,
    output: Output = 0,
    agents: Agents = 1,
    per_minute: PerMinute = 1.0,
    calls: Calls = None,
    hours: Hours = 24.0,
    days: Days = 30.0,
    together: Annotated[
        int, typer.Option(help="So many agents work on each task together.", min=1)
    ] = 1,
    route_to: RouteTo = None,
    route_share: RouteShare = 0.0,
    batch_share: BatchShare = 0.0,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """What a month costs: with and without caching, routing, batches and long prompts."""
    from gateway.core import cost_planning
    from gateway.core.capacity import Interaction

    settings = settings_of(config, PRICES)
    found = cost_planning.month(
        agents * per_minute * 60 * hours * days if calls is None else calls,
        Interaction(fresh, cached, written, output),
        price_of(settings, model, own_price, on),
        cheaper=None if route_to is None else listed_price(settings, route_to, on),
        route_share=route_share,
        batch_share=batch_share,
    )
    team = cost_planning.team_tokens(together)
    if as_json:
        emit_json({**asdict(found), "team_tokens": team})
        return
    routed = f"{route_share:.0%} go to {route_to}" if route_to else ""
    show_month(found, routed, f"{batch_share:.0%} go as batches" if batch_share else "")
    if together > 1:
        from .wording import whole

        low, high = (whole(found.planned / 1_000_000 * times) for times in team)
        emit(
            f"{together} agents on one task take {team[0]:g} to {team[1]:g} times the tokens of one: "
            f"${low} to ${high} a month."
        )


@app.command()
def local(  # noqa: PLR0913, PLR0917 - one argument for each figure
    session_vram: Annotated[float, typer.Option(help="GB that one session takes.", min=0.001)],
    sessions: Annotated[int, typer.Option(help="Sessions at once.", min=1)],
    gpu_vram: Annotated[float, typer.Option(help="GB of one accelerator.", min=0.001)],
    gpu_usd: Annotated[
        float, typer.Option(help="Dollars for one, its part of a server too.", min=0)
    ],
    gpu_watts: Annotated[float, typer.Option(help="What one draws.", min=0)],
    model: Model = None,
    own_price: OwnPrice = None,
    on: On = None,
    fresh: Fresh = 0,
    cached: Cached = 0,
    written: Written = 0,
    output: Output = 0,
    agents: Agents = 1,
    per_minute: PerMinute = 1.0,
    calls: Calls = None,
    hours: Hours = 24.0,
    days: Days = 30.0,
    months: Annotated[int, typer.Option(help="Months over which it is written off.", min=1)] = 36,
    kwh: Annotated[float, typer.Option(help="Dollars per kWh.", min=0)] = 0.15,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Own hardware instead: how much it takes, and from how many calls on it pays."""
    from gateway.core import cost_planning
    from gateway.core.capacity import Interaction

    interactions = agents * per_minute * 60 * hours * days if calls is None else calls
    each = Interaction(fresh, cached, written, output)
    price = price_of(settings_of(config, PRICES), model, own_price, on)
    elsewhere = cost_planning.month(interactions, each, price).planned
    machines = cost_planning.Machines(
        session_vram, sessions, gpu_vram, gpu_usd, months, gpu_watts, kwh, hours * days
    )
    found = cost_planning.local(machines, interactions, elsewhere)
    if as_json:
        emit_json({**asdict(found), "calls_microusd": elsewhere, "interactions": interactions})
        return
    from .wording import whole

    own = found.hardware_microusd + found.power_microusd
    emit(
        f"Memory: {session_vram:g} GB x {sessions} sessions x 1.1 = {found.vram_gb:.1f} GB: "
        f"{found.gpus} of {gpu_vram:g} GB."
    )
    emit_table(
        ("A MONTH", "USD"),
        (
            (f"hardware over {months} months", usd(found.hardware_microusd)),
            (f"power at ${kwh:g} per kWh", usd(found.power_microusd)),
            ("own hardware together", usd(own)),
            (f"{whole(interactions)} calls at the price", usd(elsewhere)),
        ),
    )
    emit(f"Both cost the same at {count(found.break_even)} calls a month.")
    emit(f"The hardware is paid back after {count(found.payback_months)} months.")


def _lane(settings: "Settings", name: str) -> "tuple[LaneLimits, Rules]":
    from gateway.core.capacity import Rules

    known = settings.topology.lanes.get(name)
    if known is None:
        lanes = ", ".join(settings.topology.lanes) or "none"
        raise typer.BadParameter(f"there is no lane {name} in the configuration ({lanes})")
    rules = Rules(known.counts_cached_input, known.charges_max_output, known.margin)
    return known.limits, rules


def _with(limits: "LaneLimits | None", given: dict[str, int]) -> "LaneLimits":
    from dataclasses import replace

    from gateway.domain.limits import LaneLimits

    return replace(limits or LaneLimits(), **given)
