"""Clients of the store: Redis or Valkey, alone, behind a Unix socket, or as a cluster.

Failure policy:
    * A URL that cannot be understood, a server that cannot be reached, refuses the credentials, is
      read-only, too old or cannot run scripts: `StoreError` at the start, which names the URL
      without its password, the cause and the remedy.
    * Settings that are risky but work (eviction allowed) are logged as warnings.
    * Later on nothing is retried here: a lost connection or a slow reply raises redis-py's
      `ConnectionError` or `TimeoutError` at once, and the caller decides. A script that was sent
      may have run, so repeating it blindly would count a call twice.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast
from urllib.parse import SplitResult, urlsplit, urlunsplit

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    ConnectionError,
    NoPermissionError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TimeoutError,
)

_log = logging.getLogger(__name__)

Client: TypeAlias = Redis | RedisCluster
"""What `connect` returns; replies are bytes."""

FAILURES = (RedisError, RedisClusterException, OSError)
"""What a command may raise when the store is away or unwell; a cluster's is no `RedisError`."""

ROOT = "gw:{main}"
"""Root of all key names: one hash tag, so that scripts reach everything on a cluster."""

MINIMUM_VERSION = (7, 0)
"""The first with `BLMPOP`, in Redis; every Valkey is newer."""

_SCHEMES = {
    "redis": "redis",
    "rediss": "rediss",
    "valkey": "redis",
    "valkeys": "rediss",
    "unix": "unix",
    "redis+cluster": "redis",
    "rediss+cluster": "rediss",
}
_ACCEPTED = "redis://, rediss:// (TLS), unix://, redis+cluster:// or rediss+cluster://"
_PROBE = """
redis.call('SET', KEYS[1], redis.call('TIME')[1], 'EX', 60)
return cmsgpack.unpack(cmsgpack.pack(ARGV[1]))
"""


class StoreError(Exception):
    """The store cannot be used; the message names the URL, the cause and the remedy."""


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """What was found out about the store at the start.

    Attributes:
        server: Product and version, for people (`valkey 9.1.2`).
        cluster: Whether it is a cluster.
        warnings: What should be changed in the server's settings.
    """

    server: str
    cluster: bool
    warnings: tuple[str, ...] = ()


async def connect(
    url: str,
    *,
    name: str = "agent-gateway",
    connect_timeout_s: float = 2.0,
    command_timeout_s: float = 2.0,
    max_connections: int = 64,
) -> Client:
    """A client of a store that was checked to be usable. Close it with `aclose()`.

    Args:
        url: `redis://`, `rediss://`, `unix://`, `redis+cluster://` or `rediss+cluster://`; a
            cluster's may name several nodes, separated by commas.
        name: Shown by `CLIENT LIST`; no spaces.
        connect_timeout_s: For the connection and its handshake.
        command_timeout_s: For each reply; a command that blocks on purpose must block shorter.
        max_connections: Of this client (cluster: to each node).

    Raises:
        StoreError: The store cannot be used.
    """
    options: dict[str, Any] = {
        "client_name": name,
        "socket_connect_timeout": connect_timeout_s,
        "socket_timeout": command_timeout_s,
        "max_connections": max_connections,
        "retry": Retry(NoBackoff(), 0),
        "decode_responses": False,
        "protocol": 2,  # version 3 adds handshakes and nothing that is needed here
    }
    client = _client(url, options)
    try:
        info = await verify(client, url)
    except BaseException:
        await client.aclose()
        raise
    for warning in info.warnings:
        _log.warning("store %s: %s", redacted(url), warning)
    return client


async def verify(client: Client, url: str) -> StoreInfo:
    """Check that the store can do what the gateway needs.

    Raises:
        StoreError: It cannot be reached or used.
    """
    try:
        info = await _info(client)
        _demand_version(info, url)
        _demand_right_client(client, info, url)
        await client.eval(_PROBE, 1, f"{ROOT}:probe", "works")
    except FAILURES as error:
        cause = _cause(_innermost(error))
        raise StoreError(f"cannot use the store at {redacted(url)}: {cause}") from error
    return StoreInfo(
        server=_server_name(info),
        cluster=isinstance(client, RedisCluster),
        warnings=_warnings(info),
    )


def redacted(url: str) -> str:
    """The URL as it may be shown: without user, password and options, however badly written."""
    scheme, separator, rest = url.partition("://") if "://" in url else ("", "", url)
    place, _, options = rest.partition("?")
    if "@" in options:  # a password with a bare question mark, or one among the options
        return f"{scheme}://…"
    return f"{scheme}{separator}{place.rpartition('@')[2]}"


def _client(url: str, options: dict[str, Any]) -> Client:
    """A client that has not connected yet.

    Raises:
        StoreError: The URL cannot be understood.
    """
    parts = _split(url)
    scheme = _SCHEMES.get(parts.scheme)
    if scheme is None:
        raise StoreError(f"state.url {redacted(url)} is not understood: use {_ACCEPTED}")
    try:
        if parts.scheme.endswith("+cluster"):
            return _cluster_client(parts, scheme, options)
        return Redis.from_url(urlunsplit(parts._replace(scheme=scheme)), **options)
    except (ValueError, TypeError, RedisClusterException):
        # Without the cause, which may quote a badly written password.
        raise StoreError(
            f"state.url {redacted(url)} is not understood: its port or one of its options is "
            "wrong, or a password holds one of / ? # @ [ ] that is not percent-encoded"
        ) from None


def _cluster_client(parts: SplitResult, scheme: str, options: dict[str, Any]) -> RedisCluster:
    user, at, hosts = parts.netloc.rpartition("@")
    first, *others = hosts.split(",")
    nodes = [
        ClusterNode(node.hostname or "127.0.0.1", node.port or 6379)
        for node in (urlsplit(f"//{host}") for host in others)
    ]
    url = urlunsplit(parts._replace(scheme=scheme, netloc=f"{user}{at}{first}"))
    return RedisCluster.from_url(url, startup_nodes=nodes or None, **options)


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise StoreError(f"state.url is not a URL; use {_ACCEPTED}") from None


async def _info(client: Client) -> Mapping[str, Any]:
    """`INFO` of the server, or of one node of the cluster."""
    if isinstance(client, RedisCluster):
        await client.initialize()
        reply = await client.info(target_nodes=client.get_random_node())
    else:
        reply = await client.info()
    return cast("Mapping[str, Any]", reply)


def _demand_version(info: Mapping[str, Any], url: str) -> None:
    found = str(info.get("redis_version", "0"))
    numbers = tuple(int(part) for part in re.findall(r"\d+", found)[:2])
    if "valkey_version" not in info and numbers < MINIMUM_VERSION:
        wanted = ".".join(map(str, MINIMUM_VERSION))
        raise StoreError(
            f"the store at {redacted(url)} is Redis {found}; {wanted} or newer, or Valkey, is needed"
        )


def _demand_right_client(client: Client, info: Mapping[str, Any], url: str) -> None:
    if info.get("cluster_enabled") and not isinstance(client, RedisCluster):
        shown = redacted(url)
        raise StoreError(
            f"the store at {shown} is a node of a cluster; "
            f"write {shown.replace('://', '+cluster://')} as state.url"
        )


def _server_name(info: Mapping[str, Any]) -> str:
    if "valkey_version" in info:
        return f"valkey {info['valkey_version']}"
    return f"redis {info.get('redis_version', 'of unknown version')}"


def _warnings(info: Mapping[str, Any]) -> tuple[str, ...]:
    policy = info.get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        return ()
    return (
        f"maxmemory-policy is {policy}, so budgets and keys may be evicted when memory is short; "
        "set it to noeviction",
    )


def _innermost(error: Exception) -> Exception:
    """The error of redis-py's that came first: those of the handshake arrive wrapped."""
    inner = error.__cause__ or error.__context__
    return _innermost(inner) if isinstance(inner, RedisError) else error


def _cause(error: Exception) -> str:
    """What went wrong and what to do, without secrets."""
    match error:
        case AuthenticationError():
            return "it refuses the user or password in state.url; correct them"
        case NoPermissionError():
            return "its user lacks rights; allow ~gw:* &gw:* +@all -@admin, INFO and scripting"
        case ReadOnlyError():
            return "it is a read-only replica; name the primary in state.url"
        case TimeoutError():
            return "it does not answer in time; is it the right address, and is it overloaded?"
        case ConnectionError() | RedisClusterException() | OSError():
            return f"it cannot be reached ({error}); is it running, and is state.url right?"
        case ResponseError():
            return f"it cannot run the gateway's scripts ({error}); allow EVAL and EVALSHA"
        case _:
            return f"{error}"
