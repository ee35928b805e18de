"""The script's own connection, on a real server."""

import asyncio

import pytest
from redis.exceptions import RedisError, ResponseError

from gateway.store.connection import Client, connect
from gateway.store.line import ScriptLine, packed
from gateway.store.scripts import Script
from tests.fixtures.valkey import ValkeyProcess

ECHO = Script("return {KEYS[1], ARGV[1], ARGV[2]}")


def test_a_command_is_packed_as_bulk_strings() -> None:
    assert packed(("GET", b"\x00\r\n", "ä")) == (
        b"*3\r\n$3\r\nGET\r\n$3\r\n\x00\r\n\r\n$2\r\n\xc3\xa4\r\n"
    )


async def test_a_script_is_loaded_when_the_server_does_not_have_it(store: Client) -> None:
    line = ScriptLine(store, ECHO, "{k}")
    for _ in range(2):
        assert await line.call("a", b"\xff") == [b"{k}", b"a", b"\xff"]
    await store.script_flush()
    assert await line.call("a", b"b") == [b"{k}", b"a", b"b"]
    await line.close()


async def test_on_a_cluster_the_client_finds_the_way(cluster_url: str) -> None:
    client = await connect(cluster_url)
    line = ScriptLine(client, ECHO, "{k}")
    assert await line.call("a", b"b") == [b"{k}", b"a", b"b"]
    await line.close()
    await client.aclose()


async def test_an_error_of_the_script_leaves_the_line_usable(store: Client) -> None:
    line = ScriptLine(store, Script("return redis.error_reply(ARGV[1])"), "{k}")
    for word in ("ERR one", "ERR two"):
        with pytest.raises(ResponseError, match=word[4:]):
            await line.call(word)
    await line.close()


async def test_no_late_reply_is_taken_for_the_next_one(own_valkey: ValkeyProcess) -> None:
    client = await connect(own_valkey.url)
    line = ScriptLine(client, ECHO, "{k}", patience_s=0.05)
    assert await line.call("1", "x") == [b"{k}", b"1", b"x"]
    own_valkey.pause()
    with pytest.raises(TimeoutError):
        await line.call("2", "x")
    left = asyncio.ensure_future(line.call("3", "x"))
    await asyncio.sleep(0)
    left.cancel()
    with pytest.raises(asyncio.CancelledError):
        await left
    own_valkey.resume()
    assert await line.call("4", "x") == [b"{k}", b"4", b"x"]
    await line.close()
    await client.aclose()


async def test_a_server_that_comes_back_is_found_again(own_valkey: ValkeyProcess) -> None:
    client = await connect(own_valkey.url)
    line = ScriptLine(client, ECHO, "{k}")
    await line.call("1", "x")
    own_valkey.kill()
    with pytest.raises((RedisError, OSError)):
        await line.call("2", "x")
    own_valkey.start()
    assert await line.call("3", "x") == [b"{k}", b"3", b"x"]
    await line.close()
    await client.aclose()
