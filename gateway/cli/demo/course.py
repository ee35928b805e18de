"""The course of the demo: simulator up, straight run, gateway up, second run, summary."""

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import httpx2
import uvloop
from prometheus_client.parser import text_string_to_metric_families

from gateway.cli.output import emit_json
from gateway.cli.simulated_providers import simulated
from gateway.config import Listen, Settings, simulated_settings
from gateway.config.settings import LogSettings, StateSettings
from gateway.config.simulated import SIMULATOR_KEYS
from gateway.domain.topology import QueueSettings
from gateway.store.embedded import EmbeddedValkey
from gateway.wiring.clock import SystemClock
from gateway.wiring.serving import serving
from gateway.wiring.worker import WorkerPlan

from . import routing
from .figures import Figures, Period, Spending, figures
from .fleet import LIMITS, MAX_WAIT_S, MINUTE_S, ROLES, Member, fleet, lanes, tasks
from .live import Display, display_for
from .provider_side import ProviderSide, provider_side
from .running import Run, callers, work
from .summary import Outcome, as_plain, print_summary

_LOOK_S = 0.25
_AGEING_S = MINUTE_S / 2
_PLACEHOLDER = "http://127.0.0.1"


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line."""

    seconds: float
    agents: int
    seed: int
    as_json: bool


def show(options: Options) -> None:
    """Run everything and print what came of it.

    Raises:
        Failure: The simulator does not start.
    """
    display = display_for(as_json=options.as_json)
    members = fleet(options.agents)
    display.say("Starting simulated providers and the official SDKs ...")
    with (
        tempfile.TemporaryDirectory(prefix="gateway-demo-") as folder,
        simulated(_settings(members, Path(folder)), "127.0.0.1:0") as settings,
    ):
        outcome = uvloop.run(_both(settings, members, options, display))
    if options.as_json:
        emit_json(as_plain(outcome))
    else:
        print_summary(outcome)


def _settings(members: tuple[Member, ...], folder: Path) -> Settings:
    settings = simulated_settings(
        _PLACEHOLDER,
        lanes=lanes(),
        agents=[*(one.agent for one in members), routing.ASSISTANT],
        agent_keys={one.name: one.key for one in members} | {routing.ASSISTANT.name: routing.KEY},
        queue=QueueSettings(max_wait_s=MAX_WAIT_S, ageing_s=_AGEING_S),
        minute_s=MINUTE_S,
        listen=Listen("127.0.0.1", 0),
        state=StateSettings(dir=folder),
    )
    return replace(
        settings,
        topology=replace(settings.topology, routes=(routing.POLICY,)),
        logging=LogSettings(access_file=folder / routing.ACCESS_FILE),
    )


async def _both(
    settings: Settings, members: tuple[Member, ...], options: Options, display: Display
) -> Outcome:
    simulator_url = settings.topology.providers["claude"].base_url
    async with provider_side(simulator_url) as provider:

        async def run(title: str, url: str, key_of: Callable[[Member], str]) -> Figures:
            one = Run(title, members, options.seconds, options.seed)
            return await _one_run(one, url, key_of, provider, display)

        await _warm_up(simulator_url)
        straight = await run("Straight at the providers", simulator_url, _provider_key)
        async with (
            EmbeddedValkey(settings.state.dir) as store,
            serving(WorkerPlan(settings, store.url)) as url,
        ):
            through = await run("Through the gateway", url, lambda one: one.key)
            spending = await _spending(url)
            display.say("Routing: an assistant asks for `auto` ...")
            decided = await routing.act(url, settings.state.dir / routing.ACCESS_FILE)
    return Outcome(members, options.seconds, straight, through, spending, tuple(decided))


async def _one_run(
    run: Run,
    url: str,
    key_of: Callable[[Member], str],
    provider: ProviderSide,
    display: Display,
) -> Figures:
    async with callers(run.members, url, key_of) as crew:
        await provider.begin(MINUTE_S)
        period = Period(provider.now_s, provider.now_s + run.seconds)
        with display.showing(run, provider):
            working = asyncio.ensure_future(work(run, crew, SystemClock()))
            try:
                while not working.done():
                    await asyncio.wait([working], timeout=_LOOK_S)
                    await provider.look()
                    display.refresh()
            finally:
                working.cancel()
            await working
    await provider.ended()
    return figures(run, provider.records, period, LIMITS)


async def _warm_up(simulator_url: str) -> None:
    """One call of each SDK, which imports the better part of itself only now."""
    members = [replace(one, output_tokens=(1, 1)) for one in fleet(len(ROLES))]
    first = {one.dialect: one for one in members}.values()
    async with callers(first, simulator_url, _provider_key) as crew:
        for member, call in zip(first, crew, strict=True):
            _, task = next(tasks(member, 0, 0))
            await call(task)


def _provider_key(member: Member) -> str:
    return SIMULATOR_KEYS[member.dialect]


async def _spending(gateway_url: str) -> Spending:
    """What the gateway's metrics say each agent used."""
    async with httpx2.AsyncClient(trust_env=False) as http:
        text = (await http.get(f"{gateway_url}/metrics")).text
    tokens: dict[str, int] = {}
    cost: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for name, labels, value, *_ in family.samples:
            agent, kind = labels.get("agent", ""), labels.get("gen_ai_token_type")
            if name == "gateway_tokens_total" and kind != "reasoning":
                tokens[agent] = tokens.get(agent, 0) + int(value)
            elif name == "gateway_cost_usd_total":
                cost[agent] = cost.get(agent, 0.0) + value
    return Spending(tokens, cost)
