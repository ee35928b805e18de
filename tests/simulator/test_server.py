"""The simulator as a process of its own."""

import asyncio
import signal
import sys

import httpx2
import pytest

from gateway.simulator import SimulatorSettings, start_simulator

PROGRAM = """
from gateway.simulator import serve
serve(port=0, ready=lambda running: print(running.url, flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_process_tells_where_it_listens_and_ends_well(number: signal.Signals) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(20):
        url = (await process.stdout.readline()).decode().strip()
        async with httpx2.AsyncClient(base_url=url) as h:
            assert (await h.get("/_sim/stats")).status_code == 200
        process.send_signal(number)
        assert await process.wait() == 0


async def test_a_port_in_use_is_told() -> None:
    async with start_simulator() as running:
        with pytest.raises(OSError, match="in use"):
            async with start_simulator(port=running.port):
                raise AssertionError


async def test_what_the_body_raises_comes_out_as_it_is() -> None:
    with pytest.raises(KeyError):
        async with start_simulator(SimulatorSettings()):
            raise KeyError
