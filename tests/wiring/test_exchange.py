"""One request and its answer: what is written, and what the application is told."""

import asyncio

import pytest

from gateway.dataplane.asgi import CLIENT, App, Client, Message, Receive, Scope, Send
from tests.wiring.serving import (
    CLOSE,
    PLAIN,
    answer,
    body_of,
    echo,
    everything,
    part,
    receive_all,
    request,
    served,
    start,
    wait_until,
)

LENGTH_3 = (b"Content-Length", b"3")


def saying(*messages: Message) -> App:
    """An application that takes the body and sends these."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive_all(receive)
        for message in messages:
            await send(message)

    return app


ANSWERS = [
    ("length", [start(PLAIN, LENGTH_3), part(b"abc", more=False)], b"content-length: 3", b"abc"),
    ("parts", [start(LENGTH_3), part(b"ab"), part(b"c"), part(b"", more=False)], b"", b"abc"),
    (
        "chunks",
        [start(), part(b"ab"), part(b""), part(b"c", more=False)],
        b"transfer-encoding: chunked",
        b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
    ),
    ("empty chunks", [start(), part(b"", more=False)], b"", b"0\r\n\r\n"),
    ("no content", [start(status=204), part(b"", more=False)], b"204 No Content", b""),
    ("not modified", [start(LENGTH_3, status=304), part(b"", more=False)], b"304", b""),
    ("no phrase", [start(LENGTH_3, status=599), part(b"abc", more=False)], b"1.1 599 ", b"abc"),
    (
        "own framing",
        [start((b"Transfer-Encoding", b"chunked"), LENGTH_3), part(b"abc", more=False)],
        b"content-length: 3",
        b"abc",
    ),
]


@pytest.mark.parametrize(("messages", "field", "body"), [row[1:] for row in ANSWERS])
async def test_an_answer_is_framed_as_its_head_says(
    messages: list[Message], field: bytes, body: bytes
) -> None:
    async with served(saying(*messages)) as server:
        raw = await server.talk(request(b"/", CLOSE))
    head = raw.partition(b"\r\n\r\n")[0]
    assert field in head
    assert body_of(raw) == body
    assert head.lower().count(b"transfer-encoding") + head.lower().count(b"content-length") <= 1


async def test_head_is_answered_without_a_body() -> None:
    async with served(echo) as server:
        raw = await server.talk(
            request(b"/", method=b"HEAD") + request(b"/", CLOSE, method=b"HEAD")
        )
    assert raw.count(b"HTTP/1.1 200 OK") == 2
    assert raw.count(b"content-length: 8") == 2
    assert b"HEAD /" not in raw


async def test_http_1_0_gets_an_answer_that_ends_with_the_connection() -> None:
    async with served(saying(start(), part(b"ab"), part(b"c", more=False))) as server:
        raw = await server.talk(b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
    assert body_of(raw) == b"abc"
    assert b"chunked" not in raw
    assert CLOSE in raw


async def test_an_application_can_have_the_connection_closed() -> None:
    messages = start((b"connection", b"close"), LENGTH_3), part(b"abc", more=False)
    async with served(saying(*messages)) as server:
        raw = await server.talk(request())
    assert raw.count(CLOSE) == 1
    assert body_of(raw) == b"abc"


async def test_the_head_is_sent_before_the_body_is_known() -> None:
    release = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(PLAIN))
        await release.wait()
        await send(part(b"abc", more=False))

    async with served(app) as server:
        reader, writer = await server.open()
        writer.write(request(b"/", CLOSE))
        async with asyncio.timeout(5):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
        release.set()
        assert b"abc" in await everything(reader)
        writer.close()


SPLITTING = [
    (b"x-a", b"b\r\nset-cookie: c"),
    (b"x-a", b"b\nset-cookie: c"),
    (b"x-a", b"b\rset-cookie: c"),
    (b"x-a", b"b\0c"),
    (b"x-a\r\nset-cookie", b"c"),
    (b"x-a: b", b"set-cookie: c"),
    (b"x a", b"set-cookie: c"),
    (b"", b"set-cookie: c"),
    (b"connection\r\nset-cookie: c", b"c"),
    (b"content-length", b"3\r\nset-cookie: c"),
    (b"x-\xe9", b"set-cookie: c"),
]


@pytest.mark.parametrize("field", SPLITTING)
async def test_no_field_can_split_the_answer(field: tuple[bytes, bytes]) -> None:
    async with served(saying(start(PLAIN, field), part(b"abc", more=False))) as server:
        raw = await server.talk(request())
    assert raw.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert b"set-cookie" not in raw


CUTS = [
    ("nothing", []),
    ("head only", [start(PLAIN)]),
    ("half of the length", [start(LENGTH_3), part(b"a")]),
    ("ended before the length", [start(LENGTH_3), part(b"a", more=False)]),
    ("more than the length", [start(LENGTH_3), part(b"abcd", more=False)]),
    ("unfinished chunks", [start(), part(b"abc")]),
    ("two heads", [start(), start()]),
    ("something else", [start(), {"type": "http.response.trailers"}]),
]


@pytest.mark.parametrize("messages", [row[1] for row in CUTS], ids=[row[0] for row in CUTS])
async def test_an_unfinished_answer_never_looks_whole(messages: list[Message]) -> None:
    async with served(saying(*messages)) as server:
        raw = await server.talk(request())
    assert not raw.endswith(b"0\r\n\r\n")
    assert b"abcd" not in raw
    assert len(body_of(raw)) < 3 or b"chunked" in raw


async def test_an_unfinished_answer_without_framing_is_reset() -> None:
    async with served(saying(start(), part(b"abc"))) as server:
        reader, writer = await server.open()
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            await everything(reader)
        writer.close()


async def test_an_application_that_fails_tells_the_client_nothing_of_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("the secret")

    async with served(app) as server:
        raw = await server.talk(request())
    assert raw.startswith(b"HTTP/1.1 500 ")
    assert CLOSE in raw
    assert b"secret" not in raw
    assert "the secret" in caplog.text


async def test_a_client_that_expects_100_gets_it_once_the_body_is_wanted() -> None:
    async with served(echo) as server:
        reader, writer = await server.open()
        writer.write(request(b"/", CLOSE, b"expect: 100-continue", body=b"abc")[:-3])
        async with asyncio.timeout(5):
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"abc")
        assert body_of(await everything(reader)) == b"POST /  abc"
        writer.close()


def client_of(scope: Scope) -> Client:
    client: Client = scope["extensions"][CLIENT]
    return client


async def test_a_body_that_came_with_its_head_needs_no_waiting() -> None:
    taken: list[bytes | None] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        client = client_of(scope)
        taken.extend([client.whole_body(), client.whole_body()])
        await answer(send, b"")

    async with served(app) as server:
        await server.talk(request(b"/", CLOSE, body=b"abc"))
        assert taken == [b"abc", None]
        taken.clear()
        await server.talk(request(b"/", CLOSE))
        assert taken == [b"", None]


async def test_a_body_that_is_not_whole_is_received() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert client_of(scope).whole_body() is None
        await echo(scope, receive, send)

    async with served(app) as server:
        raw = await server.talk(request(b"/", CLOSE, body=b"abc")[:-1], b"c")
    assert body_of(raw) == b"POST /  abc"


async def test_a_client_that_leaves_is_told_of_by_a_call() -> None:
    left = asyncio.Event()
    told: list[bool] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        client_of(scope).when_gone(left.set)
        await left.wait()
        client_of(scope).when_gone(lambda: told.append(True))
        assert (await receive())["type"] == "http.disconnect"
        await answer(send, b"into the void")

    async with served(app) as server:
        _, writer = await server.open()
        writer.write(request())
        await wait_until(lambda: bool(server.state.tasks), "it is being served")
        writer.close()
        await wait_until(lambda: not server.state.tasks, "the call has ended")
    assert left.is_set()
    assert told == [True]


@pytest.mark.parametrize("taken_back", [False, True])
async def test_nobody_is_called_after_the_answer(*, taken_back: bool) -> None:
    told: list[bool] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        client_of(scope).when_gone(lambda: told.append(True))
        if taken_back:
            client_of(scope).when_gone(None)
        await answer(send, b"")
        assert (await receive())["type"] == "http.disconnect"

    async with served(app) as server:
        await server.talk(request(b"/", CLOSE))
    assert told == []


@pytest.mark.parametrize("count", [1, 2])
async def test_several_tasks_may_wait_for_the_end(count: int) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive_all(receive)
        ends = await asyncio.gather(*(receive() for _ in range(count)))
        assert [end["type"] for end in ends] == ["http.disconnect"] * count

    async with served(app) as server:
        _, writer = await server.open()
        writer.write(request())
        await wait_until(lambda: bool(server.state.tasks), "it is being served")
        writer.close()
        await wait_until(lambda: not server.state.tasks, "the call has ended")


async def _wait_twice(scope: Scope, receive: Receive, send: Send) -> None:
    """Say twice that the answer takes its time, and once too late."""
    client: Client = scope["extensions"][CLIENT]
    await receive_all(receive)
    await client.processing()
    await client.processing()
    await send(start((b"content-length", b"1")))
    await client.processing()
    await send(part(b"x", more=False))
    await client.processing()


async def test_interim_answers_come_before_the_answer_and_in_the_order_of_requests() -> None:
    processing = b"HTTP/1.1 102 Processing\r\n\r\n"
    async with served(_wait_twice) as server:
        raw = await server.talk(request(b"/1") + request(b"/2", CLOSE))
    first, second = raw.split(b"\r\n\r\nx")[:2]
    assert first.startswith(processing * 2 + b"HTTP/1.1 200 OK\r\n")
    assert second.startswith(processing * 2 + b"HTTP/1.1 200 OK\r\n")
    assert raw.count(processing) == 4


async def test_http_1_0_knows_no_interim_answers() -> None:
    """RFC 9110, 15.2."""
    async with served(_wait_twice) as server:
        raw = await server.talk(b"GET / HTTP/1.0\r\n\r\n")
    assert raw.startswith((b"HTTP/1.1 200 ", b"HTTP/1.0 200 "))
    assert b"102" not in raw.partition(b"\r\n")[0]
