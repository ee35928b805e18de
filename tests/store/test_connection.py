import asyncio
import logging
import socket

import pytest
import redis.exceptions

from gateway.store.connection import StoreError, connect, redacted, verify
from tests.fixtures.valkey import ValkeyCluster, ValkeyProcess


async def test_a_client_is_named_and_speaks_bytes(store_url: str) -> None:
    client = await connect(store_url, name="gateway-test")
    try:
        await client.set("key", "value")
        assert await client.get("key") == b"value"
        assert "gateway-test" in {entry["name"] for entry in await client.client_list()}
    finally:
        await client.aclose()


async def test_the_probe_leaves_no_key_without_expiry(store_url: str) -> None:
    client = await connect(store_url)
    try:
        assert [await client.ttl(key) > 0 for key in await client.keys()] == [True]
        assert (await verify(client, store_url)).server.startswith("valkey ")
    finally:
        await client.aclose()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:secret@host:6379/0", "redis://host:6379/0"),
        ("redis://:sec@ret@host/1?password=secret", "redis://host/1"),
        ("unix:///run/valkey.sock?password=secret", "unix:///run/valkey.sock"),
        ("redis+cluster://u:secret@a:1,b:2", "redis+cluster://a:1,b:2"),
        ("redis://:secret/#@host", "redis://host"),
        ("redis://:secret?@host", "redis://…"),
        ("unix:///run/valkey.sock?password=sec@ret", "unix://…"),
        ("user:secret@host:6379", "host:6379"),
    ],
)
def test_a_url_is_shown_without_credentials(url: str, shown: str) -> None:
    assert redacted(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        "http://:secret@host",
        "host:6379",
        "redis://:secret@[host",
        "redis://:secret@host:port",
        "redis://:secret/@host",
    ],
)
async def test_a_url_that_is_none_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(StoreError) as caught:
        await connect(url)
    assert "state.url" in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_a_server_that_is_not_there_is_named_with_the_remedy() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: refuses
        port = nobody.getsockname()[1]
        with pytest.raises(StoreError, match=rf"127\.0\.0\.1:{port}.*cannot be reached") as caught:
            await connect(f"redis://:secret@127.0.0.1:{port}/0")
        assert "secret" not in str(caught.value)
        with pytest.raises(StoreError, match="cannot be reached"):
            await connect(f"redis+cluster://127.0.0.1:{port}")


async def test_a_server_that_does_not_answer_is_given_up(own_valkey: ValkeyProcess) -> None:
    own_valkey.pause()
    with pytest.raises(StoreError, match="does not answer in time"):
        await connect(own_valkey.url, command_timeout_s=0.2, connect_timeout_s=0.2)


async def test_a_command_is_not_retried_and_the_next_one_reconnects(
    own_valkey: ValkeyProcess,
) -> None:
    client = await connect(own_valkey.url, command_timeout_s=0.2)
    try:
        own_valkey.pause()
        started = asyncio.get_running_loop().time()
        with pytest.raises(redis.exceptions.TimeoutError):
            await client.incr("count")
        assert asyncio.get_running_loop().time() - started < 0.35
        own_valkey.kill()
        with pytest.raises(redis.exceptions.ConnectionError):
            await client.incr("count")
        own_valkey.start()
        assert await client.incr("count") == 1
    finally:
        await client.aclose()


@pytest.mark.parametrize(
    ("settings", "url_part", "message"),
    [
        ({"requirepass": "other"}, "?password=secret", "refuses the user or password"),
        ({"requirepass": "other"}, "", "refuses the user or password"),
        ({"replicaof": "127.0.0.1 1", "replica-serve-stale-data": "yes"}, "", "read-only replica"),
    ],
)
async def test_a_server_that_cannot_be_used_is_explained(
    own_valkey: ValkeyProcess, settings: dict[str, str], url_part: str, message: str
) -> None:
    with own_valkey.client() as admin:
        for name, value in settings.items():
            if name == "replicaof":
                admin.replicaof(*value.split())
            else:
                admin.config_set(name, value)
        with pytest.raises(StoreError, match=message) as caught:
            await connect(f"{own_valkey.url}{url_part}")
    assert "secret" not in str(caught.value)


async def test_a_user_without_rights_is_told_which_to_ask_for(own_valkey: ValkeyProcess) -> None:
    with own_valkey.client() as admin:
        admin.execute_command("ACL SETUSER", "poor", "on", ">pw", "~*", "+@connection", "+info")
    with pytest.raises(StoreError, match=r"lacks rights.*~gw:"):
        await connect(own_valkey.url.replace("unix://", "unix://poor@") + "?password=pw")


async def test_eviction_is_warned_of(
    own_valkey: ValkeyProcess, caplog: pytest.LogCaptureFixture
) -> None:
    with own_valkey.client() as admin:
        admin.config_set("maxmemory-policy", "allkeys-lru")
    with caplog.at_level(logging.WARNING):
        await (await connect(own_valkey.url)).aclose()
    assert "maxmemory-policy is allkeys-lru" in caplog.text


async def test_a_cluster_is_used_through_any_of_its_nodes(
    valkey_cluster: ValkeyCluster, cluster_url: str
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        dead = f"127.0.0.1:{nobody.getsockname()[1]}"
        alive = cluster_url.removeprefix("redis+cluster://")
        for url in (cluster_url, f"redis+cluster://{dead},{alive}"):
            client = await connect(url)
            try:
                assert (await verify(client, url)).cluster
                await client.set("gw:{main}:x", "1")
                assert await client.get("gw:{main}:x") == b"1"
            finally:
                await client.aclose()


async def test_a_cluster_node_given_as_a_single_server_is_refused(
    valkey_cluster: ValkeyCluster,
) -> None:
    with pytest.raises(StoreError, match=r"redis\+cluster://"):
        await connect(valkey_cluster.nodes[0].url)
