"""Batches against a scripted store: order, joining, and what becomes of failures."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from redis.exceptions import ConnectionError, ReadOnlyError, ResponseError

from gateway.core.admission.messages import Operation
from gateway.store.batches import FIRST, LAST, Batches, Reply


@dataclass
class Store:
    """Answers calls from a list; keeps what was sent."""

    answers: list[Any] = field(default_factory=list)
    sent: list[list[Any]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def call(self, packed: bytes) -> object:
        (name, number), *operations = msgspec.msgpack.decode(packed)
        assert name == "batch"
        self.numbers.append(number)
        self.sent.append(operations)
        await self.gate.wait()
        answer = self.answers.pop(0) if self.answers else [1, [], [], []]
        if isinstance(answer, Exception):
            raise answer
        return msgspec.msgpack.encode(answer)


@dataclass
class Listener:
    """Keeps what it is told."""

    replies: list[Reply] = field(default_factory=list)
    failed: list[Operation] = field(default_factory=list)
    losses: int = 0

    def batch_done(self, reply: Reply) -> None:
        self.replies.append(reply)

    def batch_failed(self, operations: Iterable[Operation]) -> None:
        self.failed += operations

    def store_lost(self) -> None:
        self.losses += 1

    async def missing(self) -> list[Operation]:
        return [["settle", "old"]]

    blind_s = 0.5

    def configuration(self) -> Iterable[Operation]:
        return [["configure", "lane:x", {}]]


@pytest.fixture
def store() -> Store:
    store = Store()
    store.gate.set()
    return store


async def test_what_one_turn_brings_travels_together_and_what_comes_meanwhile_next(
    store: Store,
) -> None:
    store.gate.clear()
    batches = Batches(store.call, Listener())
    sender = asyncio.ensure_future(batches.run())
    batches.put(["a"])
    batches.put(["b"])
    while not store.sent:  # noqa: ASYNC110 - a turn of the loop is what is waited for
        await asyncio.sleep(0)
    batches.put(["c"])
    batches.put(["d"])
    store.gate.set()
    while len(store.sent) < 2:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0)
    assert store.sent == [[["a"], ["b"]], [["c"], ["d"]]]
    sender.cancel()


async def test_releases_come_first_arrivals_by_band_and_cancellations_last(store: Store) -> None:
    batches = Batches(store.call, Listener())
    for operation, rank in (("x", LAST), ("n", 2), ("s1", FIRST), ("u", 1), ("b", 3), ("s2", 0)):
        batches.put([operation], rank)
    await batches.flush()
    assert store.sent == [[["s1"], ["s2"], ["u"], ["n"], ["b"], ["x"]]]


async def test_replies_and_snapshots_find_who_asked(store: Store) -> None:
    store.answers = [[1, [["g", "t"]], [["x", 5, "r"]], [{"s": 1}, {"s": 2}]]]
    listener = Listener()
    batches = Batches(store.call, listener)
    loop = asyncio.get_running_loop()
    one, two, three = loop.create_future(), loop.create_future(), loop.create_future()
    three.cancel()
    batches.put(["inspect", "a"], done=one)
    batches.put(["settle"], done=three)
    batches.put(["inspect", "b"], done=two)
    await batches.flush()
    assert (await one, await two) == ({"s": 1}, {"s": 2})
    assert listener.replies == [Reply([["g", "t"]], [["x", 5, "r"]])]  # type: ignore[list-item] # as decoded


async def test_a_store_that_does_not_know_us_hears_everything_first(store: Store) -> None:
    store.answers = [[1]]
    batches = Batches(store.call, Listener())
    batches.put(["arrive"])
    await batches.flush()
    configuration = ["configure", "lane:x", {}]
    assert store.sent[1] == [["hello", 0, 500_000], configuration, ["settle", "old"], ["arrive"]]


async def test_a_store_that_has_forgotten_us_hears_that_it_knew_us_once(store: Store) -> None:
    store.answers = [[1], [1, [], [], []], [1]]
    batches = Batches(store.call, Listener())
    for _ in range(2):
        batches.put(["arrive"])
        await batches.flush()
    assert [operations[0] for operations in store.sent] == [
        ["arrive"],
        ["hello", 0, 500_000],
        ["arrive"],
        ["hello", 1, 500_000],
    ]


async def test_a_batch_keeps_its_number_however_often_it_is_sent(store: Store) -> None:
    store.answers = [OSError("gone"), [1], OSError("gone")]
    batches = Batches(store.call, Listener())
    for _ in range(2):
        batches.put(["a"])
        await batches.flush()
    assert store.numbers == [1, 1, 1, 1, 2]


async def test_who_was_taken_for_dead_goes_on_with_a_higher_number(store: Store) -> None:
    store.answers = [[1, [], [], []], [1, 7]]
    batches = Batches(store.call, Listener())
    for _ in range(3):
        batches.put(["a"])
        await batches.flush()
    assert store.numbers == [1, 2, 8, 9]


@pytest.mark.parametrize("error", [ConnectionError("gone"), OSError("gone"), ReadOnlyError("no")])
async def test_what_may_pass_is_tried_again(store: Store, error: Exception) -> None:
    store.answers = [error, error]
    listener = Listener()
    batches = Batches(store.call, listener)
    batches.put(["a"])
    await batches.flush()
    assert store.sent == [[["a"]]] * 3
    assert (listener.losses, batches.lost, len(listener.replies)) == (2, False, 1)


@pytest.mark.parametrize("answer", [{"what": 1}, [1, 2], ["only"] * 5])
async def test_an_answer_that_makes_no_sense_is_no_answer(store: Store, answer: object) -> None:
    store.answers = [answer]
    batches = Batches(store.call, Listener())
    batches.put(["a"])
    await batches.flush()
    assert len(store.sent) == 2


async def test_a_script_that_fails_is_not_tried_again(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    store.answers = [ResponseError("a fault")]
    listener = Listener()
    batches = Batches(store.call, listener)
    done = asyncio.get_running_loop().create_future()
    batches.put(["a"], done=done)
    batches.put(["b"])
    await batches.flush()
    assert listener.failed == [["a"], ["b"]]
    with pytest.raises(ResponseError):
        await done
    assert "a fault" in caplog.text


async def test_an_operation_that_cannot_be_said_fails_alone(store: Store) -> None:
    """Whatever a provider claims to have counted, the calls of everybody else go on."""
    listener = Listener()
    batches = Batches(store.call, listener)
    asked = asyncio.get_running_loop().create_future()
    batches.put(["arrive", "t"])
    batches.put(["settle", "odd", 10**30], FIRST, asked)
    await batches.flush()
    assert store.sent == [[["arrive", "t"]]]
    assert listener.failed == [["settle", "odd", 10**30]]
    assert not batches.lost
    with pytest.raises(ResponseError):
        await asked


async def test_a_fault_of_our_own_fails_one_batch_and_not_the_sender(store: Store) -> None:
    """Else every later call of this worker would wait in vain."""
    store.answers = [RuntimeError("a mistake")]
    listener = Listener()
    batches = Batches(store.call, listener)
    sender = asyncio.ensure_future(batches.run())
    asked = asyncio.get_running_loop().create_future()
    batches.put(["arrive", "t"], done=asked)
    with pytest.raises(RuntimeError):
        await asked
    assert listener.failed == [["arrive", "t"]]
    again = asyncio.get_running_loop().create_future()
    batches.put(["arrive", "u"], done=again)
    assert await again is None
    sender.cancel()
