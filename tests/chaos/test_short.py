"""A short run of the chaos suite; `make chaos` makes long ones with many seeds."""

import pytest

from tests.chaos.run import run

SEED = 11


@pytest.mark.timeout(85)
async def test_a_short_run_keeps_every_promise() -> None:
    found = await run(SEED, for_s=4.0)
    assert found.good, f"{found}\n{found.leaked} {found.differing} {found.lost}"
    assert sum(found.faults.values()) >= 1
    assert found.ends["whole"] > 10
