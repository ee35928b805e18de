"""What goes in comes out, to the byte, both ways, whatever it is and however it is cut.

The provider here understands nothing and the client tidies nothing up (`tests/fixtures/echo.py`),
so only what the gateway does can be seen. What it may change is stated: hop-by-hop fields, the
credential, framing, its own `x-gateway-*` fields, and an OpenAI stream's usage (last test).
Field-notes 24, 25; provider-facts A10, B14.
"""

import string
import zlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.fixtures.echo import HeaderList, Message, chunked, cut_at, exchange, head, request
from tests.fixtures.gateway import KEY
from tests.integration.conftest import Wire
from tests.integration.dialects import CHAT, DOORS, JSON, SSE, STREAMING, Door, body_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
prop = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
AUTH = (b"authorization", b"Bearer " + KEY.encode())
PLAIN = [AUTH, (b"content-type", JSON)]
OWN_REQUEST_FIELDS = {b"host", b"content-length"}
OWN_RESPONSE_FIELDS = {b"connection", b"content-length", b"transfer-encoding", b"keep-alive"}

# --- arbitrary valid JSON, as text -------------------------------------------------------------

blanks = st.text(" \t\r\n", max_size=3)
_escapes = st.sampled_from(["\\u00e9", "\\ud83d\\ude80", "\\/", "\\n", "\\u0000", '\\"', "\\\\"])
_plain = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"\\'), max_size=8
)
strings = st.lists(_escapes | _plain, max_size=4).map(lambda parts: '"' + "".join(parts) + '"')
numbers = st.sampled_from(
    [
        *("0", "-0", "1.0", "1e5", "1E+2", "-12.50", "0.1000000000000000055511151231257827"),
        *("123456789012345678901234567890", "1e308", "9007199254740993", "-0.0e-0"),
    ]
)
leaves = st.sampled_from(["true", "false", "null"]) | numbers | strings


def _array(parts: list[tuple[str, str]]) -> str:
    return "[" + ",".join(blank + part + blank for part, blank in parts) + "]"


def _object(parts: list[tuple[str, str, str]]) -> str:
    return "{" + ",".join(f"{b}{key}{b}:{b}{part}{b}" for key, part, b in parts) + "}"


def _nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    arrays = st.lists(st.tuples(inner, blanks), max_size=3).map(_array)
    return arrays | st.lists(st.tuples(strings, inner, blanks), max_size=3).map(_object)


values = st.recursive(leaves, _nested, max_leaves=8)
unknown = st.tuples(
    st.text(string.ascii_letters, max_size=6).map(lambda name: f'"x_{name}"'), values, blanks
).map(lambda member: f"{member[0]}{member[2]}:{member[2]}{member[1]}")


@st.composite
def bodies(draw: st.DrawFn, members: Sequence[str]) -> bytes:
    """A valid body: what must be in it, and anything else, in any order, with any spacing."""
    mine = draw(st.permutations([*members, *draw(st.lists(unknown, max_size=4))]))
    spaced = [draw(blanks) + member + draw(blanks) for member in mine]
    return (draw(blanks) + "{" + ",".join(spaced) + "}" + draw(blanks)).encode()


@st.composite
def calls(draw: st.DrawFn) -> tuple[Door, bool, bytes]:
    """An endpoint, whether to stream, a body."""
    door = draw(st.sampled_from(DOORS))
    stream = bool(door.stream) and draw(st.booleans())
    return door, stream, draw(bodies([*door.members, *(door.streams if stream else ())]))


def cuts() -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, 10_000), max_size=12)


def answer(door: Door, stream: bool) -> tuple[bytes, bytes]:
    """Content type and body of a whole answer."""
    return (SSE, b"".join(door.stream)) if stream else (JSON, door.answer)


def said(wire: Wire, content_type: bytes, body: bytes) -> None:
    fields = [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]
    wire.echo.says(head(200, fields), body)


async def sent(wire: Wire, data: bytes | Sequence[bytes]) -> Message:
    """Send a request through the gateway; its response must be whole."""
    found = await exchange(wire.gateway.url, data)
    assert found.whole
    return found


def heard(wire: Wire) -> Message:
    (one,) = wire.echo.heard
    return one


# --- requests ----------------------------------------------------------------------------------


@prop
@given(call=calls(), places=cuts(), zipped=st.booleans())
async def test_a_request_body_arrives_as_it_was_sent(
    wire: Wire, call: tuple[Door, bool, bytes], places: list[int], zipped: bool
) -> None:
    door, stream, body = call
    said(wire, *answer(door, stream))
    headers = list(PLAIN)
    if zipped:
        body = zlib.compress(body, wbits=31)
        headers.append((b"content-encoding", b"gzip"))
    found = await sent(wire, cut_at(request(b"POST", door.path, headers, body), places))
    assert found.status == 200, found.body
    one = heard(wire)
    assert one.body == body
    assert one.method == b"POST"
    assert one.start == door.path
    assert one.all(b"content-encoding") == [b"gzip"] * zipped


@prop
@given(body=bodies(CHAT.members), places=cuts())
async def test_a_chunked_request_body_arrives_whole(
    wire: Wire, body: bytes, places: list[int]
) -> None:
    said(wire, JSON, CHAT.answer)
    headers = [*PLAIN, (b"transfer-encoding", b"chunked")]
    await sent(wire, [request(b"POST", CHAT.path, headers), *chunked(cut_at(body, places))])
    assert heard(wire).body == body
    assert heard(wire).one(b"content-length") == b"%d" % len(body)


@prop
@given(body=st.binary(max_size=3000), places=cuts(), framed=st.booleans())
async def test_on_a_path_without_a_codec_any_bytes_arrive(
    wire: Wire, body: bytes, places: list[int], framed: bool
) -> None:
    said(wire, b"application/octet-stream", body)
    headers = [AUTH, (b"content-type", b"x/y")]
    if framed:
        data = [request(b"POST", b"/v1/files", headers, body)]
    else:
        headers.append((b"transfer-encoding", b"chunked"))
        data = [request(b"POST", b"/v1/files", headers), *chunked(cut_at(body, places))]
    found = await sent(wire, data)
    assert heard(wire).body == body
    assert found.body == body


_unreserved = st.sampled_from(
    [*"azAZ09-._~!$&'()*+,;=:@", "%2F", "%2f", "%20", "%C3%A9", "%25", "é"]
)
_segment = st.lists(_unreserved, min_size=1, max_size=6).map("".join)
_query = st.lists(
    st.sampled_from([*"ab=&+?/~", "%26", "%3D", "%20", "k=", "beta=true"]), max_size=8
)


@prop
@given(segments=st.lists(_segment, max_size=3), query=_query.map("".join))
async def test_a_path_and_a_query_arrive_as_they_were_sent(
    wire: Wire, segments: list[str], query: str
) -> None:
    said(wire, JSON, b"{}")
    target = "/".join(["/v1/files", *segments])
    assume(not {".", ".."} & set(unquote(target).split("/")))  # those are refused
    target += "?" + query if query else ""
    target = target.replace("é", "%c3%A9")
    await sent(wire, request(b"GET", target.encode(), [AUTH]))
    assert heard(wire).start == target.encode()


@pytest.mark.parametrize("method", [b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"HEAD"])
async def test_every_method_passes_on_a_path_without_a_codec(wire: Wire, method: bytes) -> None:
    wire.echo.says(head(200, [(b"content-length", b"0")]))
    body = b"x=1" if method in {b"POST", b"PUT", b"PATCH"} else None
    await exchange(wire.gateway.url, request(method, b"/v1/batches/b_1", [AUTH], body))
    assert (heard(wire).method, heard(wire).body) == (method, body or b"")


_token = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_.!#", min_size=1, max_size=10)
_value = st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=20).map(
    lambda text: text.replace("\x7f", "").encode("latin-1").strip()
)
_names = st.sampled_from(["anthropic-beta", "x-stainless-retry-count", "user-agent", "cookie"])
_fields = st.lists(
    st.tuples((_token.map("q-".__add__) | _names).map(str.encode), _value), max_size=8
)


def ordered(headers: HeaderList, dropped: set[bytes]) -> HeaderList:
    return [(n.lower(), v) for n, v in headers if n.lower() not in dropped]


@prop
@given(door=st.sampled_from(DOORS), fields=_fields)
async def test_request_headers_arrive_with_the_credential_replaced_and_nothing_else(
    wire: Wire, door: Door, fields: HeaderList
) -> None:
    said(wire, JSON, door.answer)
    own = [
        *((b"connection", b"x-mine, keep-alive"), (b"x-mine", b"1"), (b"keep-alive", b"5")),
        *((b"te", b"trailers"), (b"proxy-authorization", b"Basic x"), (b"expect", b"nothing")),
        *((b"x-gateway-priority", b"urgent"), (b"x-gateway-unheard-of", b"1")),
        *((b"x-api-key", KEY.encode()), (b"x-goog-api-key", KEY.encode()), AUTH),
    ]
    data = request(b"POST", door.path, [*own, *fields], body_of(door.members))
    data = data.replace(b"\r\nconnection: close", b"")
    found = await sent(wire, data)
    assert found.status == 200, found.body
    got = ordered(heard(wire).headers, OWN_REQUEST_FIELDS)
    assert got == [*ordered(fields, set()), door.credential]
    assert KEY.encode() not in b"".join(value for _, value in heard(wire).headers)


@pytest.mark.parametrize("door", DOORS, ids=str)
async def test_a_header_that_repeats_repeats_upstream(wire: Wire, door: Door) -> None:
    said(wire, JSON, door.answer)
    betas = [(b"anthropic-beta", b"one,two"), (b"anthropic-beta", b"three")]
    await sent(wire, request(b"POST", door.path, [AUTH, *betas], body_of(door.members)))
    assert heard(wire).all(b"anthropic-beta") == [b"one,two", b"three"]


@pytest.mark.parametrize(
    ("asked", "passed"),
    [
        (b"gzip, deflate", b"gzip, deflate"),
        (b"gzip;q=0.5,identity", b"gzip;q=0.5,identity"),
        (b"gzip, deflate, br, zstd", b"gzip, deflate"),
        (b"br", b"identity"),
    ],
)
async def test_only_encodings_that_can_be_metered_are_accepted_from_the_provider(
    wire: Wire, asked: bytes, passed: bytes
) -> None:
    said(wire, JSON, CHAT.answer)
    headers = [*PLAIN, (b"accept-encoding", asked)]
    await sent(wire, request(b"POST", CHAT.path, headers, body_of(CHAT.members)))
    assert heard(wire).one(b"accept-encoding") == passed


async def test_on_a_path_without_a_codec_every_encoding_is_accepted(wire: Wire) -> None:
    said(wire, JSON, b"{}")
    await sent(wire, request(b"GET", b"/v1/files", [AUTH, (b"accept-encoding", b"br, zstd")]))
    assert heard(wire).one(b"accept-encoding") == b"br, zstd"


async def test_a_key_in_the_query_is_replaced_and_the_rest_of_the_query_stays(wire: Wire) -> None:
    said(wire, JSON, b"{}")
    path = b"/v1beta/models/gemini-2.5-flash:generateContent"
    query = b"?%24alt=json&key=" + KEY.encode() + b"&a=%2B+b&a="
    await sent(wire, request(b"POST", path + query, [], b'{"contents":[]}'))
    assert heard(wire).start == path + b"?%24alt=json&a=%2B+b&a="
    assert heard(wire).one(b"x-goog-api-key") == b"sim-gemini-key"


# --- responses ---------------------------------------------------------------------------------

STATUSES = [200, 201, 203, 301, 400, 401, 402, 403, 404, 409, 413, 418, 422, 500, 501, 502]


async def called(wire: Wire, door: Door, stream: bool) -> Message:
    body = body_of([*door.members, *(door.streams if stream else ())])
    headers = [*PLAIN, (b"accept-encoding", b"gzip")]
    return await exchange(wire.gateway.url, request(b"POST", door.path, headers, body))


@prop
@given(
    door=st.sampled_from(DOORS),
    status=st.sampled_from(STATUSES),
    body=st.binary(max_size=2000) | bodies(["1:1"]),
    places=cuts(),
    framing=st.sampled_from(["length", "chunked", "close"]),
    fields=_fields,
)
async def test_a_response_arrives_as_the_provider_sent_it(
    wire: Wire,
    door: Door,
    status: int,
    body: bytes,
    places: list[int],
    framing: str,
    fields: HeaderList,
) -> None:
    mine = [*fields, (b"content-type", JSON), (b"connection", b"x-mine"), (b"x-mine", b"1")]
    pieces = cut_at(body, places)
    if framing == "chunked":
        mine.append((b"transfer-encoding", b"chunked"))
        pieces = chunked(pieces)
    elif framing == "length":
        mine.append((b"content-length", b"%d" % len(body)))
    wire.echo.says(head(status, mine), *pieces, close=framing == "close")
    found = await called(wire, door, stream=False)
    assert found.whole or framing == "close"
    assert found.status == status
    assert found.body == body
    theirs = [h for h in ordered(found.headers, OWN_RESPONSE_FIELDS) if not own_field(h[0])]
    if status in SPEND_REFUSALS:  # told to be final, so that SDKs do not hammer them (B4)
        theirs = [h for h in theirs if h != (b"x-should-retry", b"false")]
    assert theirs == ordered(mine, {*OWN_RESPONSE_FIELDS, b"x-mine"})
    if framing == "length":
        assert found.one(b"content-length") == b"%d" % len(body)


SPEND_REFUSALS = {402, 429}


def own_field(name: bytes) -> bool:
    return name.startswith(b"x-gateway-")


@st.composite
def streams(draw: st.DrawFn) -> tuple[Door, bytes]:
    """A whole stream with anything between its events."""
    door = draw(st.sampled_from(STREAMING))
    end = draw(st.sampled_from([b"\n", b"\r\n"]))
    odd = st.sampled_from([b": comment", b"retry: 5", b"id: 7", b"data: {}", b"data:  7", b"x"])
    events = []
    for event in door.stream:
        events += [line + end + end for line in draw(st.lists(odd, max_size=2))]
        events.append(event.replace(b"\r\n", b"\n").replace(b"\n", end))
    return door, b"".join(events)


@prop
@given(stream=streams(), places=cuts(), zipped=st.booleans())
async def test_a_stream_arrives_as_the_provider_sent_it(
    wire: Wire, stream: tuple[Door, bytes], places: list[int], zipped: bool
) -> None:
    door, body = stream
    fields = [(b"content-type", SSE), (b"transfer-encoding", b"chunked")]
    pieces = cut_at(body, places)
    if zipped:
        fields.append((b"content-encoding", b"gzip"))
        pieces = gzipped(pieces)
    wire.echo.says(head(200, fields), *chunked(pieces))
    found = await called(wire, door, stream=True)
    assert found.whole
    assert found.status == 200
    assert found.all(b"content-encoding") == [b"gzip"] * zipped
    assert found.body == b"".join(pieces)


def gzipped(pieces: Sequence[bytes]) -> list[bytes]:
    """Each piece flushed, as servers do that compress streams."""
    packer = zlib.compressobj(wbits=31)
    packed = [packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH) for piece in pieces]
    return [*packed, packer.flush()]


@pytest.mark.parametrize("door", DOORS, ids=str)
@pytest.mark.parametrize("status", [200, 400])
async def test_a_compressed_answer_stays_compressed(wire: Wire, door: Door, status: int) -> None:
    packed = zlib.compress(door.answer, wbits=31)
    fields = [(b"content-type", JSON), (b"content-encoding", b"gzip")]
    fields.append((b"content-length", b"%d" % len(packed)))
    wire.echo.says(head(status, fields), packed)
    found = await called(wire, door, stream=False)
    assert (found.status, found.body) == (status, packed)
    assert found.one(b"content-encoding") == b"gzip"


@pytest.mark.parametrize("status", [204, 304])
async def test_answers_without_a_body_stay_without(wire: Wire, status: int) -> None:
    wire.echo.says(head(status, [(b"etag", b'"a"')]))
    found = await sent(wire, request(b"DELETE", b"/v1/files/f", [AUTH]))
    assert (found.status, found.body, found.one(b"etag")) == (status, b"", b'"a"')


async def test_interim_answers_are_not_taken_for_the_answer(wire: Wire) -> None:
    fields = [(b"content-type", JSON), (b"content-length", b"%d" % len(CHAT.answer))]
    wire.echo.says(b"HTTP/1.1 102 Processing\r\n\r\n", head(200, fields), CHAT.answer)
    found = await called(wire, CHAT, stream=False)
    assert (found.status, found.body) == (200, CHAT.answer)


# --- the one documented exception --------------------------------------------------------------


@pytest.mark.parametrize("options", ["", '"stream_options":{"include_usage":false, "x":1}'])
@pytest.mark.parametrize("zipped", [False, True])
@prop
@given(data=st.data())
async def test_a_chat_stream_that_asks_for_no_usage_is_asked_for_it_and_shows_none(
    wire: Wire, options: str, zipped: bool, data: Any
) -> None:
    """provider-facts B2: the gateway meters by a chunk that it asks for and takes out again."""
    members = [*CHAT.members, '"stream":true', *([options] if options else [])]
    body = data.draw(bodies(members))
    places = data.draw(cuts())
    shown, usage, done = CHAT.stream
    comment = b": hello\n\n"
    fields = [(b"content-type", SSE), (b"transfer-encoding", b"chunked")]
    pieces = cut_at(b"".join([comment, shown, shown, usage, comment, done]), places)
    wire.echo.says(head(200, fields), *chunked(pieces))
    headers = [*PLAIN, (b"accept-encoding", b"gzip")]
    if zipped:
        headers.append((b"content-encoding", b"gzip"))
    sent_body = zlib.compress(body, wbits=31) if zipped else body
    found = await sent(wire, request(b"POST", CHAT.path, headers, sent_body))
    assert found.body == b"".join([comment, shown, shown, comment, done])
    one = heard(wire)
    assert one.one(b"accept-encoding") == b"identity"  # the answer must be readable to be edited
    assert not one.all(b"content-encoding")
    if options:
        assert one.body == body.replace(b'"include_usage":false', b'"include_usage":true')
    else:
        assert one.body == body.replace(b"{", b'{"stream_options":{"include_usage":true},', 1)
