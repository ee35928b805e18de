"""What is counted is what was used: the access log against the simulator's own books.

Whole answers agree to the token in every codec, streamed and not. Answers that were cut, by either
side, are counted with at least what went by (field-notes 2, 4, 9, 11).
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pytest
import pytest_asyncio

from gateway.config.settings import LogSettings
from gateway.simulator import CallRecord, FaultRule, RunningSimulator, start_simulator
from tests.fixtures.echo import Message, dialled, exchange, hear, request
from tests.fixtures.gateway import KEY, gateway_settings, running_gateway
from tests.fixtures.simulator import UNLIMITED
from tests.fixtures.valkey import ValkeyProcess

pytestmark = pytest.mark.asyncio(loop_scope="module")
BEARER = (b"authorization", b"Bearer " + KEY.encode())
VERSION = (b"anthropic-version", b"2023-06-01")
LIMIT_S = 10.0
CLAUDE, GPT, THINKER, GEMINI = "claude-sonnet-4-6", "gpt-4o-mini", "o4-mini", "gemini-2.5-flash"
LONG = "word " * 2000


@dataclass(frozen=True, slots=True)
class Talk:
    """A call that the simulator understands: path and body, with and without streaming."""

    name: str
    path: str
    body: dict[str, Any]
    stream_path: str = ""
    stream_body: dict[str, Any] | None = None

    def __str__(self) -> str:
        """For test ids."""
        return self.name

    def data(self, *, stream: bool, zipped: bool = False) -> bytes:
        """The request's bytes."""
        headers = [BEARER, VERSION, (b"content-type", b"application/json")]
        headers.append((b"accept-encoding", b"gzip" if zipped else b"identity"))
        path = self.stream_path if stream and self.stream_path else self.path
        body = {**self.body, **(self.stream_body or {})} if stream else self.body
        return request(b"POST", path.encode(), headers, json.dumps(body).encode())


_STREAM = {"stream": True}


def messages(text: str, name: str = "messages", **more: Any) -> Talk:
    said = [{"role": "user", "content": text}]
    body = {"model": CLAUDE, "max_tokens": 4000, "messages": said, **more}
    return Talk(name, "/v1/messages", body, stream_body=_STREAM)


def chat(text: str, name: str = "chat", asks: bool = False, **more: Any) -> Talk:
    said = [{"role": "user", "content": text}]
    stream = _STREAM | ({"stream_options": {"include_usage": True}} if asks else {})
    body = {"model": GPT, "messages": said, **more}
    return Talk(name, "/v1/chat/completions", body, stream_body=stream)


def responses(text: str, name: str = "responses", **more: Any) -> Talk:
    return Talk(name, "/v1/responses", {"model": GPT, "input": text, **more}, stream_body=_STREAM)


def generate(text: str, name: str = "generate", verb: str = "?alt=sse", **config: Any) -> Talk:
    base = f"/v1beta/models/{GEMINI}:"
    body = {"contents": [{"parts": [{"text": text}]}], "generationConfig": config}
    return Talk(name, base + "generateContent", body, base + "streamGenerateContent" + verb, {})


_RULES = [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
_WISH = "[[thinking=50]] [[output=300]]"
_TOOLS = [
    {"name": "f", "input_schema": {"type": "object", "properties": {"a": {"type": "string"}}}}
]
TALKS = (
    messages("[[output=300]]"),
    messages(_WISH, "messages-cached", system=_RULES),
    messages(_WISH, "messages-thinking", thinking={"type": "enabled", "budget_tokens": 1024}),
    messages("use tool f", "messages-tools", tools=_TOOLS),
    chat("[[output=300]]"),
    chat("[[output=300]]", "chat-asks", asks=True),
    chat("[[output=300]]" + LONG, "chat-cached", n=2),
    chat(_WISH, "chat-reasoning", model=THINKER, reasoning_effort="low"),
    responses("[[output=300]]"),
    responses(_WISH + LONG, "responses-reasoning", model="gpt-5.6", reasoning={"effort": "low"}),
    generate("[[output=300]]"),
    generate("[[output=300]]", "generate-array", verb=""),
    generate(_WISH + LONG, "generate-thoughts", thinkingConfig={"includeThoughts": True}),
)
PLAIN = tuple(talk for talk in TALKS if talk.name in {"messages", "chat", "responses", "generate"})
LONGER = tuple(make("[[output=3000]]") for make in (messages, chat, responses, generate))
EMBEDDING = Talk("embeddings", "/v1/embeddings", {"model": "text-embedding-3-small", "input": LONG})


@dataclass(frozen=True, slots=True)
class Books:
    """A gateway with its log, and the simulator behind it with its own."""

    simulator: RunningSimulator
    url: str
    log: Path

    async def line(self, count: int = 1) -> dict[str, Any]:
        """The last line of the access log, once it has so many."""
        await until(lambda: len(self._lines()) >= count, f"{count} lines in the log")
        assert len(self._lines()) == count
        found: dict[str, Any] = json.loads(self._lines()[-1])
        return found

    async def record(self, count: int = 1) -> CallRecord:
        """The last call in the simulator's ledger, once it has so many."""
        log = self.simulator.state.ledger.log
        await until(lambda: len(log) >= count, f"{count} calls in the ledger")
        assert len(log) == count
        return log[-1]

    def _lines(self) -> list[str]:
        return self.log.read_text().splitlines()


async def until(condition: Callable[[], bool], what: str) -> None:
    try:
        async with asyncio.timeout(LIMIT_S):
            while not condition():  # noqa: ASYNC110 - a file and a list have no event to wait for
                await asyncio.sleep(0.005)
    except TimeoutError:
        pytest.fail(f"waited in vain for {what}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kept(
    valkey_server: ValkeyProcess, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Books]:
    valkey_server.flush()
    log = tmp_path_factory.mktemp("metering") / "log"
    behaviour = replace(UNLIMITED, compress=True)
    async with start_simulator(behaviour) as simulator:
        settings = gateway_settings(simulator.url)
        settings = replace(settings, logging=LogSettings(access_log=True, access_file=log))
        async with running_gateway(settings, valkey_server.url) as gateway:
            yield Books(simulator, gateway.url, log)


@pytest.fixture
def books(kept: Books) -> Books:
    """The same, with nothing in them yet."""
    kept.simulator.state.reset()
    kept.log.write_bytes(b"")  # the gateway appends
    return kept


def agree(line: dict[str, Any], record: CallRecord) -> None:
    """Every count equals the provider's own."""
    names = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")
    assert {n: line[n] for n in names} == {n: getattr(record, n) for n in names}
    assert "estimated" not in line
    assert "cut" not in line


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
@pytest.mark.parametrize("talk", TALKS, ids=str)
async def test_a_whole_answer_is_counted_to_the_token(
    books: Books, talk: Talk, stream: bool, zipped: bool
) -> None:
    for count in (1, 2):  # the second finds the first one's prompt in the cache
        found = await exchange(books.url, talk.data(stream=stream, zipped=zipped))
        assert (found.status, found.whole) == (200, True), found.body
        record = await books.record(count)
        assert record.whole
        line = await books.line(count)
        agree(line, record)
        assert (line["stream"], line["status"], line["agent"]) == (stream, 200, "alice")
    if LONG in json.dumps(talk.body):
        assert line["cache_read_tokens"] > 1000


async def test_embeddings_are_counted_to_the_token(books: Books) -> None:
    await exchange(books.url, EMBEDDING.data(stream=False))
    agree(await books.line(), await books.record())


@pytest.mark.parametrize(
    "path", ["/v1/messages/count_tokens", f"/v1beta/models/{GEMINI}:countTokens"]
)
async def test_counting_tokens_uses_none(books: Books, path: str) -> None:
    body = {"model": CLAUDE, "messages": [{"role": "user", "content": "hi"}]}
    if "models" in path:
        body = {"contents": [{"parts": [{"text": "hi"}]}]}
    found = await exchange(books.url, Talk("count", path, body).data(stream=False))
    assert found.status == 200
    line = await books.line()
    assert (line["input_tokens"], line["output_tokens"], line["cost_microusd"]) == (0, 0, 0)


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
@pytest.mark.parametrize("talk", [*PLAIN, EMBEDDING], ids=str)
async def test_an_error_of_the_provider_uses_no_tokens(
    books: Books, talk: Talk, stream: bool
) -> None:
    books.simulator.state.faults.set([FaultRule("status", status=400)])
    await exchange(books.url, talk.data(stream=stream))
    line = await books.line()
    assert (line["status"], line["input_tokens"], line["output_tokens"]) == (400, 0, 0)


CUT_AFTER = 20
"""Chunks of eight tokens, of four bytes each, that a cut answer lets by."""


def settled_for_what_went_by(
    line: dict[str, Any], record: CallRecord, chunks: int = CUT_AFTER
) -> None:
    """At least the text that was relayed (a fifth less by the estimate's error); not far more."""
    assert line["cut"]
    assert line["output_tokens"] >= 0.8 * 8 * chunks
    assert line["output_tokens"] <= 2.2 * record.output_tokens
    assert line["input_tokens"] > 0
    assert line["cost_microusd"] > 0


@pytest.mark.parametrize("how", ["close", "reset", "end"])
@pytest.mark.parametrize("talk", PLAIN, ids=str)
async def test_a_stream_that_the_provider_cuts_is_settled_for_what_went_by(
    books: Books, talk: Talk, how: Literal["close", "reset", "end"]
) -> None:
    books.simulator.state.faults.set([FaultRule("cut", how=how, after_chunks=CUT_AFTER)])
    found = await exchange(books.url, talk.data(stream=True))
    assert found.status == 200
    assert not found.whole or b'"error"' in found.body  # never a clean end
    # A reset takes bytes with it that were sent and not yet read; an event says delta up to thrice.
    arrived = found.body.count(b"delta") // 3 if how == "reset" else CUT_AFTER
    settled_for_what_went_by(await books.line(), await books.record(), min(arrived, CUT_AFTER))


@pytest.mark.parametrize("talk", LONGER, ids=str)
async def test_a_unary_answer_that_the_provider_cuts_is_no_success(
    books: Books, talk: Talk
) -> None:
    books.simulator.state.faults.set([FaultRule("cut", how="close")])
    found = await exchange(books.url, talk.data(stream=False))
    assert not found.whole
    line, record = await books.line(), await books.record()
    assert line["cut"]
    assert line["estimated"]
    # Half of its bytes went by; what of them is envelope is not charged.
    assert line["output_tokens"] >= 0.4 * record.output_tokens


@pytest.mark.parametrize("talk", PLAIN, ids=str)
async def test_a_client_that_leaves_a_stream_ends_it_at_the_provider_and_pays_for_what_went_by(
    books: Books, talk: Talk
) -> None:
    books.simulator.state.faults.set([FaultRule("hang", after_chunks=CUT_AFTER)])
    await _read_and_leave(books.url, talk.data(stream=True))
    record = await books.record()
    assert record.finish == "gone"
    settled_for_what_went_by(await books.line(), record)
    assert books.simulator.state.ledger.in_flight == 0


async def _read_and_leave(url: str, data: bytes) -> None:
    """Leave once the last chunk before the hang is there."""
    async with dialled(url) as (reader, writer):
        writer.write(data)
        seen = await hear(reader, lambda m: _texts(m) >= CUT_AFTER)
    assert seen.status == 200


def _texts(message: Message) -> int:
    """Events with text of the answer."""
    marks = (b"text_delta", b'"content":"', b"output_text.delta", b'"text":')
    events = message.body.replace(b"\r", b"").split(b"\n\n")[:-1]
    texts = sum(any(mark in event for mark in marks) for event in events)
    return texts - (b'"content":""' in message.body)


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
@pytest.mark.parametrize("talk", PLAIN, ids=str)
async def test_a_client_that_leaves_before_the_head_ends_the_call_at_the_provider(
    books: Books, talk: Talk, stream: bool
) -> None:
    books.simulator.state.faults.set([FaultRule("hang", after_chunks=-1)])
    async with dialled(books.url) as (_, writer):
        writer.write(talk.data(stream=stream))
        ledger = books.simulator.state.ledger
        await until(lambda: ledger.in_flight == 1, "the call to arrive")
    record = await books.record()
    assert record.finish == "gone"
    line = await books.line()
    assert line["status"] == 499


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
@pytest.mark.parametrize("talk", PLAIN, ids=str)
async def test_an_answer_without_usage_is_settled_by_its_length_and_says_so(
    books: Books, talk: Talk, stream: bool
) -> None:
    books.simulator.state.faults.set([FaultRule("wrong_usage", drop=True)])
    found = await exchange(books.url, talk.data(stream=stream))
    assert found.whole
    line, record = await books.line(), await books.record()
    assert line["estimated"]
    assert line["output_tokens"] >= 0.5 * record.output_tokens
    assert line["input_tokens"] > 0
