import asyncio
import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest
import redis
import redis.asyncio

from gateway.store import embedded
from gateway.store.connection import connect
from gateway.store.embedded import EmbeddedValkey, EmbeddedValkeyError
from gateway.store.state_dir import StateDirError
from tests.fixtures.valkey import short_directory, wait_until

_GATEWAY = """
import asyncio, sys
from pathlib import Path
from gateway.store.embedded import EmbeddedValkey

async def main():
    async with EmbeddedValkey(Path(sys.argv[1])) as store:
        print(store.pid, store._watchdog._process.pid, store.url, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def var() -> Iterator[Path]:
    with short_directory() as directory:
        yield directory / "var"


@asynccontextmanager
async def client_of(url: str) -> AsyncIterator[redis.asyncio.Redis]:
    client = redis.asyncio.Redis.from_url(url, protocol=2)
    try:
        yield client
    finally:
        await client.aclose()


@contextmanager
def another_gateway(var: Path) -> Iterator[tuple[subprocess.Popen[str], int, int, str]]:
    """A process with an embedded server; its server's pid, its watchdog's pid, its URL."""
    process = subprocess.Popen(
        [sys.executable, "-c", _GATEWAY, str(var)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        server, watchdog, url = process.stdout.readline().split()
        yield process, int(server), int(watchdog), url
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def gone_from(directory: Path, name: str) -> bool:
    return name not in {entry.name for entry in directory.iterdir()}


def gone(pid: int) -> bool:
    """Whether a process that is not our child has ended (a zombie nobody reaps counts)."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return True
    return state == "Z"


async def test_it_listens_on_a_private_socket_and_nowhere_else(var: Path) -> None:
    async with EmbeddedValkey(var) as store, client_of(store.url) as client:
        assert await client.config_get("port") == {"port": "0"}
        assert await client.config_get("appendfsync") == {"appendfsync": "everysec"}
        socket = Path(store.url.removeprefix("unix://"))
        assert [mode(path) for path in (socket, socket.parent, var)] == [0o600, 0o700, 0o700]
    assert gone_from(socket.parent, socket.name)
    assert store.pid is None


async def test_what_was_written_is_there_after_a_restart(var: Path) -> None:
    async with EmbeddedValkey(var) as store, client_of(store.url) as client:
        await client.set("kept", "yes")
    async with EmbeddedValkey(var) as store, client_of(store.url) as client:
        assert await client.get("kept") == b"yes"


async def test_the_url_is_one_that_connect_takes(var: Path) -> None:
    async with EmbeddedValkey(var / "with space") as store:
        client = await connect(store.url)
        await client.aclose()


async def test_two_gateways_cannot_share_one_directory(var: Path) -> None:
    async with EmbeddedValkey(var) as first:
        with pytest.raises(StateDirError, match=rf"process {os.getpid()}.*state\.dir"):
            async with EmbeddedValkey(var):
                pass
        async with client_of(first.url) as client:
            assert await client.ping()


async def test_a_long_path_gets_a_short_socket(
    var: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(var.parent))
    async with EmbeddedValkey(var / ("d" * 120)) as store, client_of(store.url) as client:
        assert await client.ping()
    assert "too long for a Unix socket" in caplog.text


async def test_a_server_that_dies_is_started_again_on_the_same_files(var: Path) -> None:
    async with EmbeddedValkey(var) as store, client_of(store.url) as client:
        await client.set("kept", "yes")
        first = store.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        async with asyncio.timeout(10):
            while True:
                with suppress(redis.ConnectionError):
                    if await client.get("kept") == b"yes" and store.pid != first:
                        break
                await asyncio.sleep(0.01)


async def test_an_error_in_the_body_stops_the_server_and_comes_through(var: Path) -> None:
    store = EmbeddedValkey(var)
    with pytest.raises(ZeroDivisionError):
        async with store:
            pid = store.pid
            raise ZeroDivisionError
    assert pid is not None
    assert gone(pid)


def test_killing_the_gateway_leaves_no_server_behind(var: Path) -> None:
    with another_gateway(var) as (process, server, watchdog, _):
        process.kill()
        process.wait()
        wait_until(lambda: gone(server), "the server to end")
        wait_until(lambda: gone(watchdog), "the watchdog to end")


async def test_state_survives_a_killed_gateway(var: Path) -> None:
    with another_gateway(var) as (process, server, _, url):
        with redis.Redis.from_url(url) as client:
            client.set("kept", "yes")
        process.kill()
        process.wait()
        async with EmbeddedValkey(var) as store, client_of(store.url) as after:
            assert await after.get("kept") == b"yes"
            assert store.pid != server


async def test_a_server_left_by_a_gateway_killed_with_its_watchdog_is_retired(var: Path) -> None:
    with another_gateway(var) as (process, server, watchdog, url):
        with redis.Redis.from_url(url) as client:
            client.set("kept", "yes")
        os.kill(watchdog, signal.SIGKILL)
        process.kill()
        process.wait()
        assert not gone(server)
        async with EmbeddedValkey(var) as store, client_of(store.url) as after:
            assert await after.get("kept") == b"yes"
            wait_until(lambda: gone(server), "the orphan to end")


async def test_a_stale_socket_is_no_obstacle(var: Path) -> None:
    with another_gateway(var) as (process, server, watchdog, _):
        for pid in (watchdog, server):
            os.kill(pid, signal.SIGKILL)
        process.kill()
        process.wait()
    assert (var / "valkey" / "valkey.sock").exists()
    async with EmbeddedValkey(var) as store, client_of(store.url) as client:
        assert await client.ping()


async def test_a_server_that_cannot_start_is_explained_with_its_log(var: Path) -> None:
    files = var / "valkey" / "appendonlydir"
    files.mkdir(parents=True)
    (files / "appendonly.aof.manifest").write_text("this is no manifest\n")
    with pytest.raises(EmbeddedValkeyError, match=r"(?s)ended while starting.*manifest"):
        async with EmbeddedValkey(var):
            pass
    with pytest.raises(EmbeddedValkeyError):  # the lock was let go of
        async with EmbeddedValkey(var):
            pass


async def test_a_server_that_takes_too_long_is_given_up(
    var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_PONG", b"never said")
    with pytest.raises(EmbeddedValkeyError, match=r"not ready after 0\.1 s"):
        async with EmbeddedValkey(var, start_limit_s=0.1):
            pass
