"""`gateway demo --through URL`: the fleet at work through a gateway that runs already.

For deployments that show themselves (docker-compose.yml, profile `demo`): that gateway is
configured with the fleet's agents and their keys, and with simulated providers.
"""

import uvloop

from gateway.cli.failing import Failure
from gateway.cli.output import say
from gateway.wiring.clock import SystemClock

from .fleet import Member, fleet
from .running import End, Run, callers, work

PERIOD_S = 300.0
"""How often it says what came of the calls; what still runs then is given up."""


def work_through(url: str, agents: int, seed: int, seconds: float | None) -> None:
    """Let the fleet work until the time is up; without one, until it is stopped.

    Raises:
        Failure: Calls failed, and none was answered.
    """
    members = fleet(agents)
    say(f"{agents} agents work through {url} ...")
    try:
        uvloop.run(_periods(url, members, seed, seconds))
    except KeyboardInterrupt:
        say("stopped")


async def _periods(url: str, members: tuple[Member, ...], seed: int, seconds: float | None) -> None:
    clock = SystemClock()
    async with callers(members, url.rstrip("/"), lambda one: one.key) as crew:
        ends_at = None if seconds is None else clock.monotonic() + seconds
        while True:
            left = PERIOD_S if ends_at is None else min(PERIOD_S, ends_at - clock.monotonic())
            if left <= 0:
                return
            run = Run("through", members, left, seed)
            await work(run, crew, clock)
            _tell(run)
            seed += 1


def _tell(run: Run) -> None:
    answered = sum(one.end is End.ANSWERED for one in run.attempted)
    errors = [one.error for one in run.attempted if one.end is End.FAILED]
    say(f"{answered} calls answered, {len(errors)} failed in {run.seconds:.0f} s")
    if errors:
        say(f"  the last failure: {errors[-1][:300]}")
        if not answered:
            raise Failure(f"no call was answered; the last one failed with {errors[-1][:300]}")
