"""What goes on the wire in front of a body."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ports import Headers, UpstreamRequest
from gateway.upstream import UnsendableRequestError, request_head
from gateway.upstream.request_head import encode_head


async def _no_body() -> AsyncIterator[bytes]:
    yield b""


def _head(
    headers: Headers | None = None,
    method: str = "POST",
    target: bytes = b"/v1/messages?beta=true",
    body: bytes = b"",
) -> bytes:
    return encode_head(UpstreamRequest(method, target, headers or [], body), b"api.example")


def test_fields_go_out_in_order_with_their_names_as_they_came() -> None:
    head = _head([(b"X-Api-Key", b"k"), (b"accept", b"*/*"), (b"x-empty", b"")], body=b"{}")
    assert head == (
        b"POST /v1/messages?beta=true HTTP/1.1\r\nhost: api.example\r\n"
        b"X-Api-Key: k\r\naccept: */*\r\nx-empty: \r\ncontent-length: 2\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("method", "body", "framing"),
    [
        ("GET", b"", b""),
        ("HEAD", b"", b""),
        ("DELETE", b"", b""),
        ("DELETE", b"x", b"content-length: 1\r\n"),
        ("POST", b"", b"content-length: 0\r\n"),
        ("PUT", b"", b"content-length: 0\r\n"),
        ("PATCH", b"abc", b"content-length: 3\r\n"),
    ],
)
def test_a_body_at_hand_is_delimited_by_its_length(
    method: str, body: bytes, framing: bytes
) -> None:
    expected = method.encode() + b" / HTTP/1.1\r\nhost: api.example\r\n" + framing + b"\r\n"
    assert _head(method=method, target=b"/", body=body) == expected


def test_a_streamed_body_is_chunked_or_has_the_length_given() -> None:
    chunked = UpstreamRequest("POST", b"/", [], _no_body())
    counted = UpstreamRequest("POST", b"/", [], _no_body(), 7)
    assert encode_head(chunked, b"h").endswith(b"\r\ntransfer-encoding: chunked\r\n\r\n")
    assert encode_head(counted, b"h").endswith(b"\r\ncontent-length: 7\r\n\r\n")


@pytest.mark.parametrize(
    "name",
    [
        b"Host",
        b"Connection",
        b"Content-Length",
        b"Transfer-Encoding",
        b"Expect",
        b"TE",
        b"Upgrade",
        b"Keep-Alive",
        b"Proxy-Connection",
        b"Trailer",
    ],
)
def test_fields_of_the_connection_are_the_transports_own(name: bytes) -> None:
    assert _head([(name, b"evil"), (b"a", b"b")]) == _head([(b"a", b"b")])


@pytest.mark.parametrize("evil", [b"\r\nx: y", b"\n", b"\r", b"\0", b"\r\n\r\nGET / HTTP/1.1\r\n"])
def test_line_ends_and_nul_are_refused_wherever_they_hide(evil: bytes) -> None:
    for headers, target in [
        ([(b"x-api-key", b"key" + evil)], b"/"),
        ([(b"x" + evil, b"v")], b"/"),
        ([], b"/" + evil),
    ]:
        with pytest.raises(UnsendableRequestError):
            _head(headers, target=target)


@pytest.mark.parametrize("name", [b"", b"content-length ", b"a b", b"a:b", b"\tx", b"n\xc3\xa4me"])
def test_a_field_name_must_be_a_token(name: bytes) -> None:
    with pytest.raises(UnsendableRequestError, match="token"):
        _head([(name, b"1")])


@pytest.mark.parametrize("target", [b"", b"/a b", b"http://other/", b"/a\x7f", b"/a\tb"])
def test_a_target_must_be_a_path_without_blanks(target: bytes) -> None:
    with pytest.raises(UnsendableRequestError, match="target"):
        _head(target=target)


@pytest.mark.parametrize("method", ["", "GE T", "GET /x", "PÖST"])
def test_a_method_must_be_a_token(method: str) -> None:
    with pytest.raises(UnsendableRequestError):
        _head(method=method)


def test_names_beyond_the_remembered_ones_are_judged_all_the_same() -> None:
    many = [(b"x-%d" % number, b"v") for number in range(3000)]
    assert _head([*many, (b"Host", b"evil")]).count(b"\r\nx-") == 3000
    assert len(request_head._KNOWN_NAMES) <= 1024
    with pytest.raises(UnsendableRequestError):
        _head([*many, (b"x 1", b"v")])
    request_head._KNOWN_NAMES.clear()


_NAMES = st.one_of(
    st.sampled_from([b"host", b"Content-Length", b"x-api-key", b"TE", b"a"]),
    st.binary(max_size=12),
)


@given(
    st.lists(st.tuples(_NAMES, st.binary(max_size=12)), max_size=4),
    st.binary(max_size=12),
)
def test_whatever_is_not_refused_is_one_head_with_the_fields_asked_for(
    headers: Headers, tail: bytes
) -> None:
    try:
        head = _head(headers, target=b"/" + tail)
    except UnsendableRequestError:
        return
    lines = head.split(b"\r\n")
    assert lines[-2:] == [b"", b""]
    assert len(lines[0].split(b" ")) == 3
    names = [line.split(b":", 1)[0] for line in lines[1:-2]]
    sent = [name for name, _ in headers if name.lower() not in request_head._OWNED]
    assert names == [b"host", *sent, b"content-length"]
