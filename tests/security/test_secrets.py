"""No key is ever shown: not the providers', not the agents', nowhere.

Field note 30. Many calls that succeed and fail in every way are driven, everything that comes out
is kept (responses, metrics, access log, messages, what the providers were sent, all of the store
and its append-only file), and then searched.
"""

import asyncio
import base64
import gzip
import hashlib
import logging
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from gateway.config.settings import LogSettings, Settings, StateSettings
from gateway.domain.call import Dialect
from gateway.domain.topology import Provider
from gateway.simulator import FaultRule, RunningSimulator, SimulatorSettings
from gateway.store.connection import connect
from gateway.store.keys import KeyStore
from gateway.wiring.clock import SystemClock
from gateway.wiring.worker import WorkerPlan
from tests.cli.gateway_command import gateway as gateway_command
from tests.fixtures.gateway import RunningGateway, gateway_settings, running_gateway
from tests.fixtures.valkey import ValkeyProcess, on_socket, running, short_directory
from tests.integration.speaking import ALL, STREAMED, WHOLE, Agent, Speech, agent
from tests.security.wire import request, talk

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROVIDER_KEYS = {
    "anthropic": "sk-ant-provider-secret-5Kq7Yw2mZt",
    "openai": "sk-proj-provider-secret-9Bx3Ld8rVn",
    "gemini": "AIza-provider-secret-4Hf6Jc1sPe",
}
REFUSED_KEY = "sk-provider-secret-that-is-refused-7Ua"
AGENT_KEY = "gw-agent-secret-of-alice-8Rg2Nk5xTb"
WRONG_KEY = "gw-agent-secret-that-opens-nothing-3Mv"
QUERY_KEY = "gw-agent-secret-in-a-query-6Zp1Qd"


@dataclass
class Everything:
    """All that came out of a gateway, by where."""

    places: dict[str, bytes] = field(default_factory=dict)
    made_key: str = ""
    """A key made in the store."""

    def add(self, place: str, *pieces: bytes) -> None:
        """Keep what came out somewhere."""
        self.places[place] = self.places.get(place, b"") + b"\n".join([*pieces, b""])

    def found(self, secrets: Iterable[str], *, but: Iterable[str] = ()) -> list[tuple[str, str]]:
        """Where any of these can be read, also in other clothes."""
        return [
            (place, name)
            for place, data in self.places.items()
            if place not in but
            for secret in secrets
            for name, look in looks_of(secret).items()
            if look in data
        ]


def looks_of(secret: str) -> dict[str, bytes]:
    """A secret as it may appear: plain, encoded, or in large part."""
    plain = secret.encode()
    return {
        "plain": plain,
        "base64": base64.b64encode(plain)[:-4],
        "hexadecimal": plain.hex().encode(),
        "without its end": plain[:-4],
        "without its beginning": plain[12:],
        "its start in base64": base64.b64encode(plain)[:16],
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def everything(provider: RunningSimulator) -> AsyncIterator[Everything]:
    with short_directory() as directory, short_directory() as logs:
        store = on_socket(directory)
        with running(store):
            seen = Everything()
            yield await collected(seen, provider, store, logs)


async def collected(
    seen: Everything, provider: RunningSimulator, store: ValkeyProcess, logs: Path
) -> Everything:
    provider.state.configure(SimulatorSettings(keys=PROVIDER_KEYS, limits={}, capture=2000))
    access = logs / "access.log"
    messages = logging.FileHandler(logs / "messages.log")
    messages.setFormatter(logging.Formatter("%(name)s %(message)s %(args)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(messages)
    root.setLevel(logging.DEBUG)
    try:
        redis = await connect(store.url)
        await redis.config_set("appendfsync", "always")
        await redis.config_set("appendonly", "yes")
        seen.made_key = (await KeyStore(redis, SystemClock()).create("carol")).secret
        settings = replace(settings_of(provider), logging=LogSettings(access_file=access))
        async with running_gateway(settings, store.url) as gateway, agent(gateway.url) as alice:
            await drive(seen, gateway, replace(alice, key=AGENT_KEY), provider)
            shown = await alice.client.get(gateway.url + "/metrics")
            seen.add("metrics", shown.content)
        await keep_the_store(seen, store)
        await redis.aclose()
    finally:
        root.setLevel(level)
        root.removeHandler(messages)
        messages.close()
    seen.add("access log", access.read_bytes())
    seen.add("messages", (logs / "messages.log").read_bytes())
    for one in provider.state.captured:
        seen.add("upstream", one.target, one.query, *(b"%b: %b" % pair for pair in one.headers))
        seen.add("upstream bodies", one.body)
    return seen


def settings_of(provider: RunningSimulator) -> Settings:
    settings = gateway_settings(
        provider.url, agent_keys={"alice": AGENT_KEY, "querying": QUERY_KEY}
    )
    providers = {
        name: replace(one, api_key=PROVIDER_KEYS[one.dialect.value])
        for name, one in settings.topology.providers.items()
    }
    dead = Provider("dead", Dialect.OPENAI, "http://127.0.0.1:1/v1", api_key=REFUSED_KEY)
    refused = Provider("refused", Dialect.OPENAI, f"{provider.url}/v1", api_key=REFUSED_KEY)
    providers |= {"dead": dead, "refused": refused}
    return replace(settings, topology=replace(settings.topology, providers=providers))


FAULTS = [
    FaultRule(kind="status", status=500, count=6),
    FaultRule(kind="status", status=401, count=6),
    *(
        FaultRule(kind="status", status=401, dialect=dialect, message=f"Bad key: {key}", count=2)
        for dialect, key in PROVIDER_KEYS.items()
    ),
    FaultRule(kind="status", status=429, variant="spend_cap", count=6),
    FaultRule(kind="garbage", count=6),
    FaultRule(kind="cut", after_chunks=-1, count=6),
    FaultRule(kind="cut", after_chunks=1, count=6),
    FaultRule(kind="error_event", status=529, after_chunks=1, count=6),
    FaultRule(kind="wrong_usage", drop=True, count=6),
]
ODD_PATHS = ["/v1/files", "/v1/models", "/v1beta/models", "/nowhere", "/p/nobody/v1/messages"]


async def drive(
    seen: Everything, gateway: RunningGateway, alice: Agent, provider: RunningSimulator
) -> None:
    """Calls of all kinds."""
    for speech in ALL:
        await hear(seen, alice, speech)
        await hear(seen, replace(alice, key=seen.made_key), speech)
        await hear(seen, replace(alice, key=WRONG_KEY), speech)
        await hear(seen, alice, replace(speech, model="nobody-knows-this"))
        await hear(seen, alice, speech, {"x-gateway-priority": "nonsense"})
        await hear(seen, alice, speech, {"content-encoding": "br"})
    for fault in FAULTS:
        provider.state.faults.set([fault])
        for speech in ALL:
            await hear(seen, alice, speech)
        provider.state.faults.clear()
    quoting = f"Bad key: {PROVIDER_KEYS['anthropic']}"
    provider.state.faults.set([FaultRule(kind="status", status=401, message=quoting)])
    await raw(seen, gateway, "/v1/messages/batches", AGENT_KEY)
    provider.state.faults.clear()
    for name in ("dead", "refused"):
        for stream in (False, True):
            await raw(seen, gateway, f"/p/{name}/v1/chat/completions", AGENT_KEY, stream=stream)
    for path in ODD_PATHS:
        await raw(seen, gateway, path, AGENT_KEY)
        await raw(seen, gateway, f"{path}?key={QUERY_KEY}", None)
        await raw(seen, gateway, f"{path}?key={WRONG_KEY}", None)
    for speech in WHOLE:
        await raw(seen, gateway, f"{speech.path}?key={QUERY_KEY}&alt=json", None)
    trace = b"TRACE /v1/messages HTTP/1.1"
    seen.add("responses", (await talk(gateway.url, request(trace, key=AGENT_KEY))).raw)
    async with alice.hear(STREAMED[0], 4000) as response:
        await anext(response.aiter_bytes())  # and leave


async def hear(
    seen: Everything, one: Agent, speech: Speech, extra: dict[str, str] | None = None
) -> None:
    try:
        answer = await one.say(speech, extra=extra)
    except httpx2.TransportError as error:
        seen.add("responses", str(error).encode())
        return
    head = "".join(f"{name}: {value}\n" for name, value in answer.headers.multi_items())
    seen.add("responses", head.encode(), answer.body)


async def raw(
    seen: Everything, gateway: RunningGateway, path: str, key: str | None, *, stream: bool = False
) -> None:
    body = b'{"model":"gpt-4o-mini","max_tokens":5,"stream":%b,"messages":[]}' % (
        b"true" if stream else b"false"
    )
    line = f"POST {path} HTTP/1.1".encode()
    seen.add("responses", (await talk(gateway.url, request(line, body=body, key=key))).raw)


async def keep_the_store(seen: Everything, store: ValkeyProcess) -> None:
    """Everything that Valkey holds, and its files."""
    redis = await connect(store.url)
    try:
        keys = [key async for key in redis.scan_iter()]
        for key in keys:
            seen.add("store", key, await whole_value(redis, key))
    finally:
        await redis.aclose()
    for path in sorted(store.directory.rglob("*")):
        if path.is_file():
            seen.add("files of the store", path.read_bytes())


async def whole_value(redis: Any, key: bytes) -> bytes:
    """A value of any type, as its bytes; uncompressed, which `DUMP` is not."""
    match await redis.type(key):
        case b"string":
            value: bytes = await redis.get(key)
            return value + maybe_inflated(value)
        case b"hash":
            return b"\n".join(b for pair in (await redis.hgetall(key)).items() for b in pair)
        case b"zset":
            return b"\n".join(await redis.zrange(key, 0, -1))
        case b"set":
            return b"\n".join(await redis.smembers(key))
        case b"list":
            return b"\n".join(await redis.lrange(key, 0, -1))
        case _:
            return bytes(await redis.dump(key))


def maybe_inflated(value: bytes) -> bytes:
    return gzip.decompress(value) if value[:2] == b"\x1f\x8b" else b""


async def test_the_calls_were_of_all_kinds(everything: Everything) -> None:
    """The control: what is searched below holds what it should."""
    places = everything.places
    for status in (b'"status":200', b'"status":401', b'"status":404', b'"status":500'):
        assert status in places["access log"]
    assert b'"status":502' in places["access log"]
    assert b'agent="alice"' in places["metrics"]
    assert b'agent="carol"' in places["metrics"]
    assert b'agent="querying"' in places["metrics"]
    assert b"x-gateway-request-id" in places["responses"]
    assert len(places["upstream"]) > 10_000
    assert b"gw:{main}:keys" in places["files of the store"]
    assert places["responses"].count(b"Bad key: ****") == len(PROVIDER_KEYS) * 2 + 1


async def test_no_provider_key_comes_out(everything: Everything) -> None:
    """Field note 30: in no response, error, metric, log line, exception text or stored value."""
    secrets = [*PROVIDER_KEYS.values(), REFUSED_KEY]
    assert everything.found(secrets, but=["upstream"]) == []


async def test_each_provider_is_sent_its_own_key_and_no_other(
    everything: Everything, provider: RunningSimulator
) -> None:
    """Field note 30: what the search above leaves out holds exactly what it must."""
    del everything
    for one in provider.state.captured:
        secrets = [value for _, value in one.headers if b"provider-secret" in value]
        assert len(secrets) == 1


async def test_no_agent_key_goes_upstream_or_is_written_anywhere(everything: Everything) -> None:
    """Field note 30: however it was presented, `?key=` included."""
    secrets = [AGENT_KEY, QUERY_KEY, WRONG_KEY, everything.made_key]
    assert everything.found(secrets) == []


async def test_of_a_stored_key_there_is_only_the_hash(everything: Everything) -> None:
    """Field note 30: the hash is there, so the key was; the key itself is nowhere."""
    digest = hashlib.sha256(everything.made_key.encode()).digest()
    assert digest in everything.places["store"]
    assert everything.found([everything.made_key]) == []
    assert hashlib.sha256(AGENT_KEY.encode()).digest() not in everything.places["store"]


async def test_nothing_that_is_printed_for_debugging_shows_a_secret(
    provider: RunningSimulator,
) -> None:
    """Field note 30: tracebacks with values, `repr` in a log line."""
    settings = replace(
        settings_of(provider),
        admin_token="admin-secret-token",
        state=StateSettings(url="redis://:store-secret@127.0.0.1/0"),
    )
    plan = WorkerPlan(settings, "redis://:store-secret@127.0.0.1/0")
    shown = f"{plan!r} {plan} {settings!r} {settings.topology.providers!r}"
    for secret in (*PROVIDER_KEYS.values(), AGENT_KEY, "admin-secret-token", "store-secret"):
        assert secret not in shown


CONFIG = """\
state: {url: "redis://user:store-secret-word@127.0.0.1:6379/0"}
admin: {token: "admin-secret-token-2Ck"}
providers:
  claude: {dialect: anthropic, api_key: "${CLAUDE_SECRET}"}
  local: {dialect: openai, base_url: "http://vllm:8000/v1", api_key: "literal-secret-4Dw"}
agents:
  alice: {key: "agent-secret-of-alice-9Lm"}
"""


@pytest.mark.parametrize("options", [("--show",), ("--show", "--json")])
async def test_check_shows_no_secret(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Field note 30: `gateway check --show`, as it is run."""
    (tmp_path / "gateway.yaml").write_text(CONFIG)
    env = {"CLAUDE_SECRET": PROVIDER_KEYS["anthropic"]}
    told = await asyncio.to_thread(gateway_command, "check", *options, folder=tmp_path, env=env)
    assert told.code == 0, told.err
    assert "claude" in told.out
    for secret in (
        PROVIDER_KEYS["anthropic"],
        "store-secret-word",
        "admin-secret-token-2Ck",
        "literal-secret-4Dw",
        "agent-secret-of-alice-9Lm",
    ):
        assert secret not in told.out + told.err
