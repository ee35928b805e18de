"""Request smuggling, response splitting and path escapes, with raw sockets.

Field note 30 (authentication and Host bypasses of other gateways) and RFC 9112, section 11. What is
unsound is refused with 400, its connection closed, and nothing of it reaches a provider.
"""

import json

import pytest

from tests.fixtures.gateway import KEY
from tests.security.wire import BODY, VERSION, Fort, head, request, talk

pytestmark = pytest.mark.asyncio(loop_scope="module")

LINE = b"POST /v1/messages HTTP/1.1"
LENGTH = (b"content-length", b"%d" % len(BODY))
CHUNKED = (b"transfer-encoding", b"chunked")
OWN = [(b"host", b"gateway"), (b"x-api-key", KEY.encode()), VERSION]
CHUNKED_HEAD = head(LINE, [*OWN, CHUNKED])
CHUNKED_BODY = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
NEXT = b"GET /v1/models HTTP/1.1\r\nhost: gateway\r\nx-api-key: " + KEY.encode() + b"\r\n\r\n"


def with_fields(*fields: tuple[bytes, bytes], body: bytes = BODY, line: bytes = LINE) -> bytes:
    return head(line, [*OWN, *fields]) + body


def with_line(line: bytes) -> bytes:
    return with_fields(LENGTH, line=line)


def with_raw(raw: bytes) -> bytes:
    """A request with raw bytes among its fields."""
    return LINE + b"\r\n" + head(b"", [*OWN, LENGTH])[2:-2] + raw + b"\r\n" + BODY


def with_chunks(chunks: bytes) -> bytes:
    return CHUNKED_HEAD + chunks


def with_host(*hosts: bytes) -> bytes:
    return head(LINE, [*((b"host", one) for one in hosts), *OWN[1:], LENGTH]) + BODY


SIZE = b"%x" % len(BODY)
UNSOUND = {
    "two lengths that differ": with_fields(LENGTH, (b"content-length", b"3")),
    "the same length twice": with_fields(LENGTH, LENGTH),
    "a list of lengths": with_fields((b"content-length", b"5, 5")),
    "a length with a sign": with_fields((b"content-length", b"+5")),
    "a negative length": with_fields((b"content-length", b"-1")),
    "a hexadecimal length": with_fields((b"content-length", b"0x10")),
    "an empty length": with_fields((b"content-length", b"")),
    "a length beyond 64 bits": with_fields((b"content-length", b"9" * 24)),
    "a length before a coding": with_fields(LENGTH, CHUNKED, body=CHUNKED_BODY),
    "a length after a coding": with_fields(CHUNKED, LENGTH, body=CHUNKED_BODY),
    "a coding not understood": with_fields((CHUNKED[0], b"gzip, chunked"), body=CHUNKED_BODY),
    "chunked not last": with_fields((CHUNKED[0], b"chunked, identity"), body=CHUNKED_BODY),
    "chunked in two fields": with_fields(CHUNKED, CHUNKED, body=CHUNKED_BODY),
    "chunked twice": with_fields((CHUNKED[0], b"chunked, chunked"), body=CHUNKED_BODY),
    "identity": with_fields((CHUNKED[0], b"identity"), body=CHUNKED_BODY),
    "a coding that ends alike": with_fields((CHUNKED[0], b"xchunked"), body=CHUNKED_BODY),
    "a quoted coding": with_fields((CHUNKED[0], b'"chunked"'), body=CHUNKED_BODY),
    "a coding with a parameter": with_fields((CHUNKED[0], b"chunked;q=1"), body=CHUNKED_BODY),
    "a coding after a vertical tab": with_fields((CHUNKED[0], b"\x0bchunked"), body=CHUNKED_BODY),
    "a coding in HTTP/1.0": with_fields(
        CHUNKED, body=CHUNKED_BODY, line=b"POST /v1/messages HTTP/1.0"
    ),
    "a blank before the colon of a length": with_fields((b"content-length ", LENGTH[1])),
    "a blank before the colon of a coding": with_fields(LENGTH, (b"transfer-encoding ", b"x")),
    "a bare LF between fields": with_raw(b"x-a: b\nx-c: d\r\n"),
    "bare LF everywhere": with_fields(LENGTH).replace(b"\r\n", b"\n"),
    "a bare CR between fields": with_raw(b"x-a: b\rx-c: d\r\n"),
    "a bare CR at the end": with_raw(b"x-a: b\r"),
    "a bare LF at the end": with_raw(b"x-a: b\n"),
    "a folded field": with_raw(b"x-a: b\r\n c\r\n"),
    "a field folded with a tab": with_raw(b"x-a: b\r\n\tc\r\n"),
    "a folded coding": with_raw(b"transfer-encoding:\r\n chunked\r\n"),
    "a first line that is folded": LINE + b"\r\n x: y\r\n" + head(b"", [*OWN, LENGTH])[2:] + BODY,
    "NUL in a value": with_raw(b"x-a: b\0c\r\n"),
    "NUL in a name": with_raw(b"x\0a: b\r\n"),
    "a control character in a value": with_raw(b"x-a: b\x01c\r\n"),
    "DEL in a value": with_raw(b"x-a: b\x7fc\r\n"),
    "a field without a colon": with_raw(b"x-a\r\n"),
    "a field without a name": with_raw(b": b\r\n"),
    "a name with a blank": with_raw(b"x a: b\r\n"),
    "a name beyond ASCII": with_raw(b"x\xc3\xa9: b\r\n"),
    "a chunk beyond 64 bits": with_chunks(b"f" * 18 + b"\r\n" + BODY),
    "a chunk of 2 to the 64th": with_chunks(b"10000000000000000\r\n" + BODY),
    "a negative chunk": with_chunks(b"-5\r\n" + BODY),
    "a chunk size with 0x": with_chunks(b"0x" + SIZE + b"\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "a chunk size ended by LF": with_chunks(SIZE + b"\n" + BODY + b"\r\n0\r\n\r\n"),
    "a chunk size ended by CR": with_chunks(SIZE + b"\r" + BODY + b"\r\n0\r\n\r\n"),
    "a chunk ended by LF": with_chunks(SIZE + b"\r\n" + BODY + b"\n0\r\n\r\n"),
    "a chunk longer than its size": with_chunks(SIZE + b"\r\n" + BODY + b"XX0\r\n\r\n"),
    "LF in a chunk extension": with_chunks(SIZE + b";a\n" + BODY + b"\r\n0\r\n\r\n"),
    "CR in a chunk extension": with_chunks(SIZE + b";a\rb\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "a blank after a chunk size": with_chunks(SIZE + b" \r\n" + BODY + b"\r\n0\r\n\r\n"),
    "an empty chunk size": with_chunks(b"\r\n" + BODY),
    "a length in the trailer": with_chunks(
        SIZE + b"\r\n" + BODY + b"\r\n0\r\ncontent-length: 3\r\n\r\n"
    ),
    "a method with a blank": with_line(b"PO ST /v1/messages HTTP/1.1"),
    "a method in lower case": with_line(b"post /v1/messages HTTP/1.1"),
    "a method nobody knows": with_line(b"BREW /v1/messages HTTP/1.1"),
    "a preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an absolute target": with_line(b"POST http://elsewhere.example/v1/messages HTTP/1.1"),
    "an absolute target with a login": with_line(
        b"POST https://u:p@x.example/v1/messages HTTP/1.1"
    ),
    "an absolute target without a path": with_line(b"POST http://elsewhere.example HTTP/1.1"),
    "a target without a slash": with_line(b"POST v1/messages HTTP/1.1"),
    "a fragment": with_line(b"POST /v1/messages#x HTTP/1.1"),
    "a blank in the target": with_line(b"POST /v1/messages x HTTP/1.1"),
    "a tab in the target": with_line(b"POST /v1/messages\tx HTTP/1.1"),
    "NUL in the target": with_line(b"POST /v1/mess\0ages HTTP/1.1"),
    "CR in the target": with_line(b"POST /v1/mess\rages HTTP/1.1"),
    "a target beyond ASCII": with_line(b"POST /v1/mess\xe9ages HTTP/1.1"),
    "a protocol in lower case": with_line(b"POST /v1/messages http/1.1"),
    "a version nobody knows": with_line(b"POST /v1/messages HTTP/1.2"),
    "a version with a zero": with_line(b"POST /v1/messages HTTP/01.1"),
    "a blank after the version": with_line(b"POST /v1/messages HTTP/1.1 "),
    "no host": with_host(),
    "two hosts": with_host(b"gateway", b"gateway"),
    "an empty host": with_host(b""),
    "a host with a blank": with_host(b"a b"),
    "a host with a path": with_host(b"gateway/v1"),
    "a host with a login": with_host(b"root@gateway"),
    "a list of hosts": with_host(b"a, b"),
    "a host beyond ASCII": with_host(b"gat\xe9way"),
    "a host with a bad port": with_host(b"gateway:80:90"),
    "a host with a long port": with_host(b"gateway:999999"),
}


@pytest.mark.parametrize("case", UNSOUND)
async def test_an_unsound_request_is_refused_and_its_connection_closed(
    fort: Fort, case: str
) -> None:
    """Field note 30; RFC 9112, 11.2."""
    before = fort.forwarded
    answer = await talk(fort.url, UNSOUND[case] + NEXT)
    assert (answer.status, answer.responses, answer.closed) == (400, 1, True)
    assert b"connection: close" in answer.head
    assert fort.forwarded == before


@pytest.mark.parametrize(
    "line",
    [
        b"TRACE /v1/messages HTTP/1.1",
        b"CONNECT elsewhere.example:443 HTTP/1.1",
        b"POST /v1/messages HTTP/2.0",
    ],
)
async def test_what_would_turn_the_gateway_into_something_else_is_refused(
    fort: Fort, line: bytes
) -> None:
    """Field note 30: a provider answers TRACE with the request, its own credential included."""
    before = fort.forwarded
    answer = await talk(fort.url, head(line, OWN) + NEXT)
    assert answer.status in {400, 405, 505}
    assert (answer.responses, answer.closed) == (1, True)
    assert fort.forwarded == before


SOUND = {
    "a length": request(),
    "chunks": head(LINE, [*OWN, (b"connection", b"close"), CHUNKED]) + CHUNKED_BODY,
    "chunks in capitals": head(
        LINE, [*OWN, (b"Connection", b"close"), (b"Transfer-Encoding", b"CHUNKED")]
    )
    + CHUNKED_BODY,
    "a chunk extension": head(LINE, [*OWN, (b"connection", b"close"), CHUNKED])
    + SIZE
    + b";a=b\r\n"
    + BODY
    + b"\r\n0\r\n\r\n",
    "a line before the request": b"\r\n" + request(),
    "a host with a port": request(host=b"gateway.example:8080"),
    "a host that is an address": request(host=b"[::1]:8080"),
}


@pytest.mark.parametrize("case", SOUND)
async def test_a_sound_request_is_served(fort: Fort, case: str) -> None:
    """The control of the table above: these differ from its cases by one byte or two."""
    answer = await talk(fort.url, SOUND[case])
    assert (answer.status, answer.responses, answer.closed) == (200, 1, True)


async def test_a_trailer_cannot_change_the_head(fort: Fort) -> None:
    """Field note 30; RFC 9110, 6.5.1: trailer fields that were merged replaced the credential."""
    trailer = b"x-api-key: gw-of-somebody-else\r\nx-evil: 1\r\nx-gateway-priority: nonsense\r\n"
    chunks = SIZE + b"\r\n" + BODY + b"\r\n0\r\n" + trailer + b"\r\n"
    answer = await talk(fort.url, head(LINE, [*OWN, (b"connection", b"close"), CHUNKED]) + chunks)
    assert answer.status == 200
    assert all(name != b"x-evil" for name, _ in fort.captured[-1].headers)


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("framing", [LENGTH, CHUNKED], ids=["length", "chunks"])
async def test_an_offered_upgrade_does_not_make_the_body_a_request(
    fort: Fort, framing: tuple[bytes, bytes], *, split: bool
) -> None:
    """Field note 30: the parser stops at an upgrade and would take the body for the next request.

    Java's HTTP client offers h2c with every first request, so the call itself must be served.
    """
    offer = [(b"connection", b"upgrade, http2-settings"), (b"upgrade", b"h2c")]
    start = head(LINE, [*OWN, *offer, (b"http2-settings", b"AAMA"), framing])
    body = BODY if framing is LENGTH else CHUNKED_BODY
    before = fort.forwarded
    last = request(b"GET /v1/models HTTP/1.1", body=b"")
    pieces = (start, body, last) if split else (start + body + last,)
    answer = await talk(fort.url, *pieces)
    assert (answer.responses, answer.raw.count(b"HTTP/1.1 200 OK")) == (2, 2)
    assert fort.forwarded == before + 1
    assert fort.captured[-1].body == BODY


async def test_a_request_hidden_in_the_body_of_an_upgrade_is_not_served(fort: Fort) -> None:
    """Field note 30."""
    offer = [(b"connection", b"upgrade"), (b"upgrade", b"h2c")]
    hidden = NEXT.ljust(len(BODY))[: len(BODY)]
    answer = await talk(fort.url, head(LINE, [*OWN, *offer, LENGTH]), hidden, request())
    assert answer.raw.count(b"HTTP/1.1 400 ") == 1  # the hidden request as a body is no JSON
    assert answer.raw.count(b"HTTP/1.1 200 OK") == 1  # the honest one


async def test_nothing_is_written_into_an_answer_on_its_way(fort: Fort) -> None:
    """Field note 30: a second, broken request must not end up inside the first one's answer."""
    slow = json.loads(BODY)
    slow |= {"stream": True, "max_tokens": 5}
    body = json.dumps(slow).encode()
    first = head(LINE, [*OWN, (b"content-length", b"%d" % len(body))]) + body
    answer = await talk(fort.url, first + b"BROKEN\r\n\r\n")
    assert answer.closed
    if answer.status == 200:
        assert b"HTTP/1.1 400" not in answer.raw


NAMES = {
    "CRLF": "claude\r\nset-cookie: a=b\r\n\r\nHTTP/1.1 200 OK\r\n\r\nx",
    "LF": "claude\nset-cookie: a=b",
    "NUL": "claude\0",
    "a Unicode line end": "claude\u010d\u010aset-cookie: a=b",
    "a text direction": "\u202emodel",
    "DEL": "claude\x7f",
    "more than Latin": "模型",
}


@pytest.mark.parametrize("name", NAMES)
async def test_a_model_name_cannot_split_the_response(fort: Fort, name: str) -> None:
    """Field note 30: `x-gateway-lane` and `x-gateway-model` repeat what the caller chose."""
    body = json.dumps({**json.loads(BODY), "model": NAMES[name]}).encode()
    answer = await talk(fort.url, request(body=body))
    assert (answer.responses, answer.closed) == (1, True)
    assert 400 <= answer.status < 500
    assert b"\nset-cookie" not in answer.head
    assert b"x-gateway-request-id: " in answer.head


TARGETS = {
    "a path": b"/v1/files%0d%0ax-evil:%20y",
    "a gemini model": b"/v1beta/models/a%0d%0ax-evil:%20y:generateContent",
    "a query": b"/v1/messages?a=%0d%0ax-evil:%20y",
    "a provider": b"/p/claude%0d%0ax-evil:%20y/v1/messages",
}


@pytest.mark.parametrize("place", TARGETS)
async def test_percent_encoded_line_ends_stay_encoded(fort: Fort, place: str) -> None:
    """Field note 30: header injection by paths, both ways."""
    answer = await talk(fort.url, request(b"POST " + TARGETS[place] + b" HTTP/1.1"))
    assert (answer.responses, answer.closed) == (1, True)
    assert b"\nx-evil" not in answer.head
    for one in fort.captured:
        assert all(name != b"x-evil" for name, _ in one.headers)
        assert b"\r" not in one.target


ESCAPES = [
    b"/p/claude/..",
    b"/p/claude/../../secret",
    b"/p/claude/v1/../../secret",
    b"/p/claude/%2e%2e/%2e%2e/secret",
    b"/p/claude/%2E./secret",
    b"/p/claude/v1/..%2f..%2fsecret",
    b"/p/claude/v1/..%5c..%5csecret",
    b"/p/claude/v1/..\\..\\secret",
    b"/p/claude/v1/%252e%252e/secret",
    b"/p/claude/v1/files/..;/..;/secret",
    b"/p/claude/v1/./messages",
    b"/v1/files/../../secret",
    b"/v1beta/models/..%2f..%2fsecret:generateContent",
]


@pytest.mark.parametrize("target", ESCAPES)
async def test_no_path_leaves_the_providers_base_path(fort: Fort, target: bytes) -> None:
    """Field note 30: dot segments, encoded or not, are never forwarded."""
    before = fort.forwarded
    answer = await talk(fort.url, request(b"POST " + target + b" HTTP/1.1"))
    assert (answer.status in {400, 404}, answer.closed) == (True, True)
    assert fort.forwarded == before


@pytest.mark.parametrize(
    "target",
    [
        b"/p/claude%2fv1/messages",
        b"/p/claude%2fv1/v1/messages",
        b"/%70/claude/v1/messages",
        b"/p%2fclaude/v1/messages",
        b"/p/openai%2f..%2fclaude/v1/messages",
    ],
)
async def test_what_is_metered_is_what_is_forwarded(fort: Fort, target: bytes) -> None:
    """Field note 8: a path that the gateway and the provider read differently escapes metering."""
    before = fort.forwarded
    answer = await talk(fort.url, request(b"POST " + target + b" HTTP/1.1"))
    assert (answer.status, answer.closed) == (404, True)
    assert fort.forwarded == before


async def test_encoded_bytes_that_mean_no_escape_go_through_as_they_came(fort: Fort) -> None:
    """The control: an encoded slash in a name is the caller's own business (vLLM, tuned models)."""
    target = b"/p/claude/v1/m%65ssages?x=%2e%2e%2f&beta=true"
    answer = await talk(fort.url, request(b"POST " + target + b" HTTP/1.1"))
    assert answer.status == 200
    assert fort.captured[-1].target == b"/v1/m%65ssages"
    assert fort.captured[-1].query == b"x=%2e%2e%2f&beta=true"
