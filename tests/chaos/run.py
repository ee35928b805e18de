"""One run: a seed, a fleet, faults, and what they left behind."""

import asyncio
from random import Random

from tests.chaos.checks import Findings, examine
from tests.chaos.faults import Trouble
from tests.chaos.fleet import Fleet
from tests.chaos.world import KEYS, world

_DRAIN_LIMIT_S = 60.0


async def run(seed: int, for_s: float, *, calm: bool = False) -> Findings:
    """A fleet calls while faults come for so many seconds; none if it is to be calm."""
    async with world() as here:
        trouble = Trouble(here, Random(seed))
        fleet = Fleet(here.urls, KEYS, seed)
        calling = asyncio.ensure_future(fleet.run())
        logging = asyncio.ensure_future(here.keep_log())
        try:
            await (asyncio.sleep(for_s) if calm else trouble.make(for_s))
        finally:
            fleet.stopping = True
            async with asyncio.timeout(_DRAIN_LIMIT_S):
                await calling
            logging.cancel()
            await asyncio.gather(logging, return_exceptions=True)
        found = await examine(here, trouble, fleet.calls)
        if not found.good:
            for one in here.gateways:
                print(one.log.read_text()[-3000:])
        return found
