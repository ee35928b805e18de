"""Client connections on raw sockets: framing, order, bounds and time."""

import asyncio

import pytest

from gateway.dataplane.asgi import CLIENT, CROWDED, Receive, Scope, Send
from gateway.wiring import protocol
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

CHUNKED = (
    b"POST /c HTTP/1.1\r\nhost: h\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    b"5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nx-trailer: t\r\n\r\n"
)
LENGTH = request(b"/l?q=1", CLOSE, body=b"hello!")
OFFERING = request(b"/u", b"connection: upgrade, close", b"upgrade: h2c", body=b"hello!")


@pytest.mark.parametrize(
    ("whole", "echoed"),
    [
        (CHUNKED, b"POST /c  hello!"),
        (LENGTH, b"POST /l q=1 hello!"),
        (OFFERING, b"POST /u  hello!"),
        (request(b"/%7Ea%2Fb", CLOSE), b"GET /~a/b  "),
    ],
)
async def test_a_request_reads_the_same_wherever_it_is_split(whole: bytes, echoed: bytes) -> None:
    async with served(echo) as server:
        for at in range(1, len(whole)):
            assert body_of(await server.talk(whole[:at], whole[at:])) == echoed
        one_by_one = [whole[at : at + 1] for at in range(len(whole))]
        assert body_of(await server.talk(*one_by_one)) == echoed


async def test_pipelined_requests_are_answered_in_their_order() -> None:
    release = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/slow":
            await release.wait()
        await echo(scope, receive, send)

    async with served(app) as server:
        reader, writer = await server.open()
        writer.write(request(b"/slow") + request(b"/2", body=b"x" * 1000) + request(b"/3", CLOSE))
        await wait_until(lambda: len(server.state.tasks) == 1, "the first is being served")
        release.set()
        raw = await everything(reader)
        writer.close()
    order = [raw.index(echoed) for echoed in (b"GET /slow", b"POST /2  xxx", b"GET /3")]
    assert order == sorted(order)
    assert raw.count(b"HTTP/1.1 200 OK") == 3
    assert server.state.total_requests == 3


async def test_no_more_than_so_many_requests_wait_behind_one() -> None:
    async with served(echo) as server:
        raw = await server.talk(request() * (protocol.MAX_PIPELINED + 20))
    assert raw.count(b"HTTP/1.1 200 OK") == protocol.MAX_PIPELINED + 1
    assert raw.count(CLOSE) == 1


async def test_what_follows_the_last_request_is_not_read() -> None:
    async with served(echo) as server:
        raw = await server.talk(request(b"/1", CLOSE) + request(b"/2"))
    assert raw.count(b"HTTP/1.1") == 1


async def test_a_broken_request_behind_a_sound_one_closes_after_its_answer() -> None:
    async with served(echo) as server:
        raw = await server.talk(request(b"/1") + b"BROKEN\r\n\r\n")
    assert raw.count(b"HTTP/1.1") == raw.count(b"HTTP/1.1 200 OK") == 1
    assert CLOSE in raw


async def test_a_broken_body_is_refused_and_its_application_sees_the_client_leave() -> None:
    left = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await receive_all(receive)
        except ConnectionError:
            left.set()

    async with served(app) as server:
        head = b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n"
        raw = await server.talk(head + b"3\r\nabc\r\n", b"zz\r\n")
    assert raw.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert CLOSE in raw
    assert left.is_set()


async def test_a_broken_body_behind_a_running_answer_is_not_served() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["path"])
        await echo(scope, receive, send)

    async with served(app) as server:
        head = b"POST /2 HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n"
        raw = await server.talk(request(b"/1") + head + b"zz\r\n")
    assert raw.count(b"HTTP/1.1") == raw.count(b"HTTP/1.1 200 OK") == 1
    assert seen == ["/1"]


HUGE = b"x" * (protocol.MAX_HEAD_BYTES + 100)


@pytest.mark.parametrize(
    "head",
    [
        request(b"/", *(b"x-%d: %b" % (at, b"y" * 1000) for at in range(140))),
        request(b"/" + HUGE),
        b"GET / HTTP/1.1\r\nx: " + HUGE,
        b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 25_000,
    ],
    ids=["many fields", "a long target", "an endless value", "endless fields"],
)
@pytest.mark.parametrize("piece", [1 << 20, 10_000])
async def test_a_head_that_is_too_large_is_refused(head: bytes, piece: int) -> None:
    async with served(echo) as server:
        raw = await server.talk(*(head[at : at + piece] for at in range(0, len(head), piece)))
    assert raw.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert CLOSE in raw


async def test_a_head_just_within_the_bound_is_served_with_a_large_body() -> None:
    async with served(echo) as server:
        value = b"x: " + b"y" * (protocol.MAX_HEAD_BYTES - 200)
        raw = await server.talk(request(b"/", CLOSE, value, body=b"b" * 200_000))
    assert raw.startswith(b"HTTP/1.1 200 OK\r\n")
    assert len(body_of(raw)) == 200_008


@pytest.mark.parametrize(
    "framing", [b"1;" + HUGE, b"0\r\nx-trailer: " + HUGE], ids=["an extension", "a trailer"]
)
async def test_framing_without_content_does_not_pile_up(framing: bytes) -> None:
    async with served(echo) as server:
        head = b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n"
        assert (await server.talk(head, framing)).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("begun", [b"", b"GET / HT", request() + b"GET / HT"])
async def test_a_head_that_does_not_arrive_in_time_is_answered_408(begun: bytes) -> None:
    async with served(echo, head_s=0.03) as server:
        raw = await server.talk(begun)
    assert b"HTTP/1.1 408 Request Timeout\r\n" in raw
    assert raw.count(b"HTTP/1.1 200 OK") == begun.count(b"\r\n\r\n")


async def test_an_idle_connection_is_closed_without_a_word() -> None:
    async with served(echo, idle_s=0.03) as server:
        raw = await server.talk(request())
    assert raw.count(b"HTTP/1.1") == 1


async def test_no_clock_runs_while_an_answer_is_due() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.08)  # stands for a provider that thinks longer than all our times
        await echo(scope, receive, send)

    async with served(app, head_s=0.02, idle_s=0.02) as server:
        raw = await server.talk(request(b"/1"))
    assert raw.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_a_connection_beyond_the_number_is_served_once_and_marked() -> None:
    marks: list[bool] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        marks.append(CROWDED in scope["extensions"])
        await echo(scope, receive, send)

    async with served(app, max_connections=1) as server:
        _, first = await server.open()
        await wait_until(lambda: len(server.state.connections) == 1, "the first is connected")
        raw = await server.talk(request(b"/1") + request(b"/2"))
        first.close()
        await wait_until(lambda: not server.state.connections, "both are gone")
        await server.talk(request(b"/3", CLOSE))
    assert raw.count(b"HTTP/1.1") == 1
    assert CLOSE in raw
    assert marks == [True, False]


async def test_a_connection_beyond_the_number_is_given_little_time_for_its_head() -> None:
    async with served(echo, max_connections=1, spare_head_s=0.02) as server:
        _, first = await server.open()
        await wait_until(lambda: len(server.state.connections) == 1, "the first is connected")
        raw = await server.talk(b"GET / HT")
        first.close()
    assert raw.startswith(b"HTTP/1.1 408 Request Timeout\r\n")


async def test_a_client_that_takes_nothing_of_its_answer_is_cut_off() -> None:
    left = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive_all(receive)
        scope["extensions"][CLIENT].when_gone(left.set)
        await send(start(PLAIN))
        while not left.is_set():
            await send(part(b"x" * 1_000_000))

    async with served(app, write_s=0.05) as server:
        _, writer = await server.open()
        writer.transport.pause_reading()  # type: ignore[attr-defined] # a stream's transport reads
        writer.write(request())
        async with asyncio.timeout(5):
            await left.wait()
        writer.transport.abort()


async def test_a_connection_too_many_is_told_when_to_come_back() -> None:
    async with served(echo, max_connections=1, spare=0) as server:
        _, first = await server.open()
        await wait_until(lambda: len(server.state.connections) == 1, "the first is connected")
        raw = await server.talk(request())
        first.close()
    assert raw.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nretry-after: 2\r\n" in raw
    assert CLOSE in raw


async def test_an_answer_before_the_end_of_the_request_can_be_read() -> None:
    """Closing with bytes unread would reset the connection and lose the answer (RFC 9112, 9.6)."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, b"no", status=413)

    async with served(app) as server:
        reader, writer = await server.open()
        writer.write(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 50000000\r\n\r\n")
        for _ in range(40):
            writer.write(b"x" * 100_000)
            await asyncio.sleep(0)
        assert body_of(await everything(reader)) == b"no"
        writer.close()


async def test_a_client_that_never_stops_sending_is_cut_off() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, b"no", status=413)

    async with served(app, linger_s=0.05) as server:
        reader, writer = await server.open()
        writer.write(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 50000000\r\n\r\n")
        await everything(reader)
        await wait_until(lambda: not server.state.connections, "it was cut off")
        writer.close()


async def test_an_upload_is_held_up_while_its_application_does_not_take_it() -> None:
    go_on = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await go_on.wait()
        await answer(send, b"%d" % len(await receive_all(receive)))

    size = 32 * 1024 * 1024
    async with served(app) as server:
        reader, writer = await server.open()
        writer.write(request(b"/", CLOSE, body=b"x" * size))
        await wait_until(lambda: server.connection.read_paused, "reading is paused")
        go_on.set()
        assert body_of(await everything(reader)) == b"%d" % size
        writer.close()


async def test_a_slow_reader_holds_up_its_application() -> None:
    sent = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal sent
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(1000):
            await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
            sent += 1
        await send({"type": "http.response.body", "body": b""})

    async with served(app) as server:
        reader, writer = await server.open()
        writer.write(request(b"/", CLOSE))
        await wait_until(lambda: server.connection.write_paused, "writing is paused")
        assert sent < 1000
        assert len(await everything(reader)) > 1000 * 65_536
        writer.close()


async def test_an_idle_connection_is_closed_at_shutdown_at_once() -> None:
    async with served(echo) as server:
        reader, writer = await server.open()
        writer.write(request())
        await wait_until(lambda: server.state.total_requests == 1, "it was answered")
        server.connection.shutdown()
        assert (await everything(reader)).count(b"HTTP/1.1") == 1
        writer.close()


async def test_a_running_call_is_finished_at_shutdown() -> None:
    release = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await release.wait()
        await echo(scope, receive, send)

    async with served(app) as server:
        reader, writer = await server.open()
        writer.write(request(b"/1"))
        await wait_until(lambda: bool(server.state.tasks), "it is being served")
        server.connection.shutdown()
        release.set()
        raw = await everything(reader)
        writer.close()
    assert b"GET /1" in raw
    assert CLOSE in raw


@pytest.mark.parametrize("path", [b"/", b"/slow"])
async def test_a_client_that_leaves_is_forgotten(path: bytes) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive_all(receive)
        if scope["path"] == "/slow":
            assert (await receive())["type"] == "http.disconnect"
        await answer(send, b"")

    async with served(app) as server:
        _, writer = await server.open()
        writer.write(request(path) + request(path))
        await wait_until(lambda: bool(server.state.connections), "it is connected")
        writer.close()
        await wait_until(lambda: not server.state.connections, "it is forgotten")
        await wait_until(lambda: not server.state.tasks, "nothing runs for it")
