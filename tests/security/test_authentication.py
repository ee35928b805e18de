"""Who gets in: only a whole, right, living key, in a place where an SDK puts it.

Field note 30: SQL injection in a key check, a Host header that went around authentication, bearer
variants. Unsound Host headers are in `test_smuggling.py`.
"""

import asyncio
import time
from collections.abc import Callable

import pytest

from gateway.store.connection import connect
from gateway.store.keys import KeyStore
from gateway.wiring.clock import SystemClock
from tests.fixtures.gateway import KEY, OTHER_KEY
from tests.fixtures.valkey import ValkeyProcess
from tests.security.wire import Fort, request, talk

pytestmark = pytest.mark.asyncio(loop_scope="module")
RIGHT = KEY.encode()
LINE = b"POST /v1/messages HTTP/1.1"

WRONG_VALUES = {
    "nothing": b"",
    "the key without its last letter": RIGHT[:-1],
    "the key and one letter more": RIGHT + b"x",
    "the key in capitals": RIGHT.upper(),
    "the key in single quotes": b"'" + RIGHT + b"'",
    "the key in double quotes": b'"' + RIGHT + b'"',
    "two keys in a list": RIGHT + b", " + OTHER_KEY.encode(),
    "the key twice": RIGHT + RIGHT,
    "the key after a tab inside": b"x\t" + RIGHT,
    "the key percent-encoded": b"%67" + RIGHT[1:],
    "the key as JSON": b'{"key":"' + RIGHT + b'"}',
    "the key with a zero-width blank": RIGHT + "\u200b".encode(),
    "the key in full-width letters": "".join(chr(ord(c) + 0xFEE0) for c in KEY).encode(),
    "the key with a byte that is no UTF-8": RIGHT + b"\xff",
    "a key that ends like SQL": b"' OR '1'='1",
    "a key that is SQL": b"x'; DROP TABLE keys; --",
    "a union": b"' UNION SELECT 1 -- ",
    "a Lua string": b"]] .. redis.call('KEYS', '*') .. [[",
    "a Redis command": b"*1\\r\\n$8\\r\\nFLUSHALL",
    "a name from the store": b"gw:{main}:keys",
    "a wildcard": b"*",
    "a format string": b"%s%n{0.__class__}",
    "a template": b"${jndi:ldap://elsewhere.example/a}",
    "a path": b"../../etc/passwd",
    "null": b"null",
    "true": b"true",
    "a number": b"0",
    "another alphabet": "ключ".encode(),
    "an emoji": "🔑".encode(),
    "a right-to-left mark": "\u202e".encode() + RIGHT,
    "a very long key": b"k" * 60_000,
    "the key and very much more": RIGHT + b"k" * 60_000,
    "a provider's own key": b"sim-anthropic-key",
}
PLACES: dict[str, Callable[[bytes], tuple[bytes, bytes]]] = {
    "x-api-key": lambda value: (b"x-api-key", value),
    "bearer": lambda value: (b"authorization", b"Bearer " + value),
    "goog": lambda value: (b"x-goog-api-key", value),
    "gateway": lambda value: (b"x-gateway-key", value),
}


@pytest.mark.parametrize("case", WRONG_VALUES)
async def test_a_wrong_key_does_not_get_in(fort: Fort, case: str) -> None:
    """Field note 30: whatever it is made of, in every place for a key; nothing is forwarded."""
    before = fort.forwarded
    for place in PLACES.values():
        answer = await talk(fort.url, request(LINE, [place(WRONG_VALUES[case])], key=None))
        assert (answer.status, answer.responses) == (401, 1)
        assert b"x-gateway-reason: unauthorized" in answer.head
        value = WRONG_VALUES[case]
        assert len(value) < 12 or value not in answer.raw
    assert fort.forwarded == before


WRONG_PLACES = {
    "Basic": (b"authorization", b"Basic " + RIGHT),
    "no scheme": (b"authorization", RIGHT),
    "Bearer without a blank": (b"authorization", b"Bearer" + RIGHT),
    "Bearer twice": (b"authorization", b"Bearer Bearer " + RIGHT),
    "Token": (b"authorization", b"Token " + RIGHT),
    "an empty Bearer": (b"authorization", b"Bearer"),
    "Bearer of blanks": (b"authorization", b"Bearer    "),
    "proxy-authorization": (b"proxy-authorization", b"Bearer " + RIGHT),
    "a cookie": (b"cookie", b"x-api-key=" + RIGHT),
    "another vendor's field": (b"api-key", RIGHT),
    "an underscore": (b"x_api_key", RIGHT),
    "a forwarded field": (b"x-forwarded-authorization", b"Bearer " + RIGHT),
    "the agent's name": (b"x-gateway-agent", b"alice"),
    "an original URL": (b"x-original-url", b"/healthz"),
    "a forwarded address": (b"x-forwarded-for", b"127.0.0.1"),
}


@pytest.mark.parametrize("case", WRONG_PLACES)
async def test_a_right_key_in_a_wrong_place_does_not_get_in(fort: Fort, case: str) -> None:
    """Field note 30."""
    before = fort.forwarded
    answer = await talk(fort.url, request(LINE, [WRONG_PLACES[case]], key=None))
    assert (answer.status, fort.forwarded) == (401, before)


@pytest.mark.parametrize(
    "target",
    [
        b"/v1/messages?KEY=" + RIGHT,
        b"/v1/messages?api_key=" + RIGHT,
        b"/v1/messages?xkey=" + RIGHT,
        b"/v1/messages?k%65y=" + RIGHT,
        b"/v1/messages;key=" + RIGHT,
        b"/" + RIGHT + b"/v1/messages",
    ],
)
async def test_a_key_elsewhere_in_the_target_does_not_get_in(fort: Fort, target: bytes) -> None:
    """Field note 30."""
    before = fort.forwarded
    answer = await talk(fort.url, request(b"POST " + target + b" HTTP/1.1", key=None))
    assert (answer.status in {401, 404}, fort.forwarded) == (True, before)


RIGHT_PLACES = {
    "x-api-key": (b"x-api-key", RIGHT),
    "in another case": (b"X-API-Key", RIGHT),
    "between blanks": (b"x-api-key", b"  " + RIGHT + b" \t"),
    "Bearer": (b"authorization", b"Bearer " + RIGHT),
    "bearer in another case": (b"Authorization", b"bEARER " + RIGHT),
    "Google's field": (b"x-goog-api-key", RIGHT),
    "the gateway's own field": (b"x-gateway-key", RIGHT),
}


@pytest.mark.parametrize("case", RIGHT_PLACES)
async def test_a_right_key_gets_in_and_stays_here(fort: Fort, case: str) -> None:
    """Field note 30: the control; and what the provider sees is its own credential alone."""
    answer = await talk(fort.url, request(LINE, [RIGHT_PLACES[case]], key=None))
    assert answer.status == 200
    sent = fort.captured[-1]
    assert all(RIGHT not in value for _, value in sent.headers)
    assert dict(sent.headers)[b"x-api-key"] == b"sim-anthropic-key"


@pytest.mark.parametrize(
    ("line", "query"),
    [
        (b"POST /v1/messages?key=" + RIGHT + b"&beta=true HTTP/1.1", b"beta=true"),
        (b"POST /v1/messages?beta=true&key=" + RIGHT + b" HTTP/1.1", b"beta=true"),
        (b"POST /v1/messages?key=%67" + RIGHT[1:] + b" HTTP/1.1", b""),
        (b"POST /v1/messages?key=not-ours&key=" + RIGHT + b" HTTP/1.1", b"key=not-ours"),
    ],
)
async def test_a_key_in_the_query_stays_here_in_every_dialect(
    fort: Fort, line: bytes, query: bytes
) -> None:
    """Field note 30: `?key=` is Gemini's way, but any client may use it."""
    extra = [(b"x-api-key", OTHER_KEY.encode())] if b"not-ours" in line else []
    answer = await talk(fort.url, request(line, extra, key=None))
    assert answer.status == 200
    assert fort.captured[-1].query == query


@pytest.mark.parametrize("wrong", [b"gw-revoked", b"", b"' OR 1=1"])
async def test_of_several_credentials_one_right_one_is_needed_and_none_goes_on(
    fort: Fort, wrong: bytes
) -> None:
    """Field note 30; Claude Code's key helper fills two fields at once."""
    fields = [
        (b"x-gateway-key", wrong),
        (b"x-api-key", wrong),
        (b"authorization", b"Bearer " + RIGHT),
        (b"x-goog-api-key", wrong),
    ]
    assert (await talk(fort.url, request(LINE, fields, key=None))).status == 200
    sent = dict(fort.captured[-1].headers)
    assert sent[b"x-api-key"] == b"sim-anthropic-key"
    assert not {b"authorization", b"x-goog-api-key", b"x-gateway-key"} & set(sent)
    fields[2] = (b"authorization", b"Bearer " + wrong)
    assert (await talk(fort.url, request(LINE, fields, key=None))).status == 401


@pytest.mark.parametrize(
    "host", [b"localhost", b"127.0.0.1", b"api.anthropic.com", b"gateway:0", b"[::1]", b"metrics"]
)
@pytest.mark.parametrize("path", [b"/v1/messages", b"/v1/models", b"/v1/files", b"/p/claude/v1/x"])
async def test_no_host_lets_anybody_in(fort: Fort, host: bytes, path: bytes) -> None:
    """Field note 30 (CVE-2026-49468): authentication does not look at the Host field."""
    before = fort.forwarded
    fields = [(b"x-forwarded-host", host), (b"forwarded", b"host=" + host)]
    answer = await talk(
        fort.url, request(b"POST " + path + b" HTTP/1.1", fields, key=None, host=host)
    )
    assert (answer.status, fort.forwarded) == (401, before)


@pytest.mark.parametrize(
    "path",
    [
        b"/metrics/../v1/messages",
        b"/healthz/v1/messages",
        b"/healthz/../v1/models",
        b"/readyz?x=/v1/messages",
        b"//v1/messages",
        b"/v1/messages/",
        b"/V1/messages",
        b"/v1//messages",
        b"/v1/messages%00",
        b"/v1/messages%20",
    ],
)
async def test_no_path_lets_anybody_in(fort: Fort, path: bytes) -> None:
    """Field note 30: pages that need no key are matched whole, and forward nothing."""
    before = fort.forwarded
    answer = await talk(fort.url, request(b"POST " + path + b" HTTP/1.1", key=None))
    assert (answer.status in {401, 404, 405}, fort.forwarded) == (True, before)


async def test_a_revoked_key_stops_at_once(fort: Fort, valkey_server: ValkeyProcess) -> None:
    """Field note 30: of an agent that the configuration does not name, within a second."""
    redis = await connect(valkey_server.url)
    try:
        keys = KeyStore(redis, SystemClock())
        new = await keys.create("mallory")
        assert await status_becomes(fort, new.secret, 200)
        await keys.revoke(new.record.public_id)
        began = time.perf_counter()
        assert await status_becomes(fort, new.secret, 401)
        assert time.perf_counter() - began < 1.0
    finally:
        await redis.aclose()


async def status_becomes(fort: Fort, key: str, status: int) -> bool:
    """Whether calls with a key are answered so within a moment."""
    async with asyncio.timeout(3):
        while (await talk(fort.url, request(key=key))).status != status:
            pass
    return True
