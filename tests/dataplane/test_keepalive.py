"""What keeps a waiting client, where a real connection cannot be brought into that state."""

import asyncio
from dataclasses import dataclass, field

import pytest

from gateway.core.retrying import Step
from gateway.dataplane.asgi import Message, arrival
from gateway.dataplane.call import Call
from gateway.dataplane.keepalive import KeepAlive
from gateway.dataplane.respond import Responder
from gateway.dataplane.settings import DataPlaneSettings
from gateway.dialects.registry import CODECS
from gateway.domain.admission import Bound, Expectation
from gateway.domain.call import CallFacts, Dialect, Endpoint, Matched
from gateway.domain.limits import Dimension, ScopeKind
from gateway.domain.outcome import Reason, UpstreamFailure
from gateway.wiring.clock import SystemClock
from tests.integration.waiting import until

SOON = Expectation(1, 1.0, Bound(ScopeKind.LANE, "l", Dimension.RPM, 1.0))


@dataclass
class Wire:
    """A server that can be slow to take what is sent."""

    sent: list[Message] = field(default_factory=list)
    flows: asyncio.Event = field(default_factory=asyncio.Event)
    asked: int = 0

    async def send(self, message: Message) -> None:
        self.asked += 1
        await self.flows.wait()
        self.sent.append(message)


def keepalive(wire: Wire, *, stream: bool = True) -> tuple[Call, KeepAlive]:
    scope = {
        "method": "POST",
        "path": "/v1/messages",
        "query_string": b"",
        "headers": [(b"user-agent", b"claude-cli/2.1")],
    }
    clock = SystemClock()
    call = Call("r", arrival(scope), Responder(wire.send), clock, clock.monotonic())
    call.matched = Matched(Endpoint.MESSAGES)
    call.facts = CallFacts("m", stream=stream)
    settings = DataPlaneSettings(hold_head_s=0.0, hold_whole_s=0.0, keepalive_s=0.001)
    return call, KeepAlive(call, CODECS[Dialect.ANTHROPIC], settings)


async def test_a_head_that_waits_for_a_slow_client_is_taken_back_whole() -> None:
    """Then the provider's own head can still be sent."""
    wire = Wire()
    call, kept = keepalive(wire)
    kept.wait()
    kept.told(SOON)
    await until(lambda: wire.asked == 1, "a head")
    await kept.stop()
    wire.flows.set()
    await asyncio.sleep(0)
    assert not wire.sent
    assert not call.responder.started
    assert not call.tellable
    assert not kept.begun


async def test_nothing_begins_for_a_call_that_does_not_wait_any_more() -> None:
    wire = Wire()
    _, kept = keepalive(wire)
    kept.told(SOON)  # late news
    assert not kept.begun
    kept.wait()
    kept.told(SOON)
    kept.rest()
    for _ in range(3):
        await asyncio.sleep(0)
    assert not kept.begun
    assert not wire.asked


async def test_it_begins_once_however_often_it_is_told_and_goes_on_over_turns() -> None:
    wire = Wire()
    wire.flows.set()
    call, kept = keepalive(wire)
    for _ in range(2):
        kept.wait()
        kept.told(SOON)
        kept.told(SOON)
        await until(lambda: kept.begun, "its beginning")
        kept.rest()
    await until(lambda: len(wire.sent) >= 5, "some pings")
    await kept.stop()
    await kept.stop()
    count = len(wire.sent)
    assert [one["type"] for one in wire.sent].count("http.response.start") == 1
    assert call.tellable
    for _ in range(3):
        await asyncio.sleep(0)
    assert len(wire.sent) == count


async def test_a_server_without_interim_answers_is_asked_for_none() -> None:
    wire = Wire()
    call, kept = keepalive(wire, stream=False)
    kept.wait()
    kept.told(SOON)
    await until(lambda: kept.begun, "its beginning")
    await kept.stop()
    assert not wire.asked
    assert not call.responder.started


async def test_a_provider_is_not_watched_any_longer_once_it_has_spoken() -> None:
    wire = Wire()
    _, kept = keepalive(wire)
    over = asyncio.Event()

    async def work() -> Step:
        await kept.stop()
        asyncio.get_running_loop().call_later(0.03, over.set)
        await over.wait()
        return Step.DONE

    assert await kept.watch(work(), 0.01) is Step.DONE


async def test_a_silent_provider_is_given_up() -> None:
    _, kept = keepalive(Wire())

    async def work() -> Step:
        await asyncio.Event().wait()
        return Step.DONE

    with pytest.raises(UpstreamFailure) as failure:
        await kept.watch(work(), 0.01)
    assert failure.value.reason is Reason.UPSTREAM_TIMEOUT
    assert failure.value.sent
