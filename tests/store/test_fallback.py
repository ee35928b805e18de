"""Admission over the loss and the return of the store, on real servers that are hurt."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from redis.asyncio import RedisCluster

from gateway.domain.admission import Admitted, Charge, Settlement
from gateway.domain.call import Priority
from gateway.domain.limits import Budget, Dimension, Headroom
from gateway.domain.outcome import Reason, Refusal
from gateway.domain.topology import Topology
from gateway.store.admission import AdmissionSettings, RedisAdmission
from gateway.store.connection import ROOT, Client, connect
from gateway.store.fallback import FallbackAdmission, FallbackSettings
from gateway.store.known_lanes import known_lanes
from gateway.store.sight import Looking
from gateway.wiring.clock import SystemClock
from tests.chaos.proxy import link
from tests.chaos.world import free_port
from tests.fixtures.valkey import ValkeyCluster, ValkeyProcess, running

from .admitting import LANE, admitted, charge, ended, request, topology, until

FAST = FallbackSettings(
    silence_s=0.25,
    quick_s=0.2,
    steady_s=0.15,
    jitter_s=0.05,
    check_s=0.02,
    looking=Looking(every_s=0.05, return_in_s=0.2),
)
LEASES = AdmissionSettings(lease_s=0.6, beat_s=0.1, patience_s=0.3, goodbye_s=0.3)


@dataclass
class Replica:
    """One replica with its own client."""

    admission: FallbackAdmission
    queue: RedisAdmission
    client: Client

    async def is_alone(self) -> None:
        await eventually(lambda: self.admission.degraded is not None, "the loss to be noticed")

    async def is_back(self) -> None:
        await eventually(lambda: self.admission.degraded is None, "the return")

    async def knows(self, replicas: int) -> None:
        await eventually(lambda: self.admission.replicas == replicas, f"{replicas} replicas")
        looks = self.admission._sight.looks
        await eventually(lambda: self.admission._sight.looks > looks, "a look")


async def eventually(done: Callable[[], bool], what: str) -> None:
    async def right() -> bool:
        return done()

    await until(right, what)


@asynccontextmanager
async def fallback(
    url: str, name: str, of: Topology, settings: FallbackSettings = FAST, chance: float = 0.5
) -> AsyncIterator[Replica]:
    client = await connect(url)
    queue = RedisAdmission(client, ROOT, name, SystemClock(), LEASES)
    await queue.start()
    admission = FallbackAdmission(
        queue, client, ROOT, name, SystemClock(), chance=lambda: chance, settings=settings
    )
    try:
        await admission.configure(of)
        async with admission:
            yield Replica(admission, queue, client)
    finally:
        await queue.stop()
        await client.aclose()


async def test_calls_go_on_with_the_share_and_come_back(own_valkey: ValkeyProcess) -> None:
    of = topology(Budget(rpm=20))
    async with fallback(own_valkey.url, "r1", of) as one, fallback(own_valkey.url, "r2", of) as two:
        await one.knows(2)
        await two.knows(2)
        own_valkey.pause()
        calls = [
            each.admission.admit(request(f"{name}{number}", tokens=1, wait_s=0))
            for name, each in (("a", one), ("b", two))
            for number in range(15)
        ]
        assert admitted(await asyncio.gather(*calls)) == 20
        own_valkey.resume()
        await one.is_back()
        await two.is_back()
        assert isinstance(await one.admission.admit(request("c", wait_s=0)), Refusal)


async def test_what_ended_while_the_store_was_away_is_told_when_it_is_back(
    own_valkey: ValkeyProcess,
) -> None:
    async with fallback(own_valkey.url, "r1", topology(Budget(tpm=1000))) as one:
        await one.knows(1)
        await one.admission.admit(request("before", tokens=10))
        own_valkey.pause()
        await one.is_alone()
        await one.admission.admit(request("during", tokens=100))
        one.admission.settle(ended("during", 100))
        one.admission.settle(ended("before", 20))
        await one.admission.admit(request("running", tokens=50))
        own_valkey.resume()
        await one.is_back()

        async def told() -> bool:
            seen = await one.queue.inspect_agent("ann")
            return (seen.tokens, seen.in_flight) == (170, 1)

        await until(told, "everything to be told")
        one.admission.settle(ended("running", 50))

        async def whole() -> bool:
            seen = await one.queue.inspect_agent("ann")
            return (seen.tokens, seen.in_flight, seen.requests) == (170, 0, 3)

        await until(whole, "the last call to be told")
        lane = await one.queue.inspect_lane(LANE)
        assert (lane.in_flight, lane.held, sum(lane.waiting)) == (0, [0] * 4, 0)


async def test_a_store_that_comes_back_empty_is_told_the_last_minute(
    own_valkey: ValkeyProcess,
) -> None:
    """However short it was away."""
    async with fallback(own_valkey.url, "r1", topology(Budget(tpm=1000))) as one:
        await one.knows(1)
        for number in range(3):
            await one.admission.admit(request(f"t{number}", tokens=100))
            one.admission.settle(ended(f"t{number}", 100))
        await one.admission.admit(request("running", tokens=70))
        own_valkey.kill()
        own_valkey.start()

        async def told() -> bool:
            seen = await one.queue.inspect_agent("ann")
            return (seen.tokens, seen.in_flight) == (370, 1)

        await until(told, "the last minute and the input of what runs to be told")
        one.admission.settle(ended("running", 70))

        async def whole() -> bool:
            seen = await one.queue.inspect_agent("ann")
            return (seen.tokens, seen.in_flight) == (370, 0)

        await until(whole, "the call that ran to be told")
        assert (await one.queue.inspect_agent("ann")).spent_day == 40


async def test_a_store_without_its_data_lets_nothing_through_before_it_has_heard_of_our_use(
    own_valkey: ValkeyProcess,
) -> None:
    of = topology(Budget(tpm=1000))
    async with fallback(own_valkey.url, "r1", of) as one, fallback(own_valkey.url, "r2", of) as two:
        await one.knows(2)
        await two.knows(2)
        for number, each in enumerate((one, two, two)):
            await each.admission.admit(request(f"t{number}", tokens=300))
        one.admission.settle(ended("t0", 300))
        own_valkey.flush()
        verdicts = await asyncio.gather(  # before the other one is heard
            *(one.admission.admit(request(f"b{number}", wait_s=0.4)) for number in range(5))
        )
        assert admitted(verdicts) == 1
        assert (await one.queue.inspect_agent("ann")).tokens == 1000


async def test_what_is_owed_is_told_though_urgent_calls_of_the_agent_wait_for_its_budget(
    own_valkey: ValkeyProcess,
) -> None:
    of = topology(Budget(tpm=1000))
    async with fallback(own_valkey.url, "r1", of) as one, fallback(own_valkey.url, "r2", of) as two:
        await one.knows(2)
        await two.knows(2)
        for each, tokens in ((one, 300), (two, 600)):
            await each.admission.admit(request(f"t{tokens}", tokens=tokens))
            each.admission.settle(ended(f"t{tokens}", tokens))
        urgent = replace(request("waits", tokens=800, wait_s=100), priority=Priority.URGENT)
        waits = asyncio.ensure_future(one.admission.admit(urgent))
        await eventually(lambda: one.queue.waits("waits"), "the urgent call to wait")
        own_valkey.flush()

        async def told() -> bool:
            seen = await two.queue.inspect_agent("ann")
            return (seen.tokens, seen.parked_groups) == (900, 1)

        await until(told, "both to have told what they used")
        waits.cancel()
        lanes = await known_lanes(one.client, ROOT, time.time())
        assert lanes == [LANE]  # without that in which debts are told


async def test_a_store_that_loses_its_data_again_is_told_again(own_valkey: ValkeyProcess) -> None:
    """Also what it had been told already of the time in which it was away."""
    patient = replace(FAST, looking=replace(FAST.looking, return_in_s=60.0))
    async with fallback(own_valkey.url, "r1", topology(Budget(tpm=1000)), patient) as one:
        await one.knows(1)
        own_valkey.pause()
        await one.is_alone()
        await one.admission.admit(request("a", tokens=100))
        one.admission.settle(ended("a", 100))
        own_valkey.resume()

        async def told() -> bool:
            return (await one.queue.inspect_agent("ann")).tokens == 100

        await until(told, "what was used meanwhile to be told")
        own_valkey.flush()
        await until(told, "it to be told again")
        assert one.admission.degraded is not None


async def test_a_replica_that_was_taken_for_dead_owes_what_it_held(
    own_valkey: ValkeyProcess,
) -> None:
    """The store kept its data; another replica's call gave up this one's tickets."""
    of = topology(Budget(tpm=10_000))
    async with fallback(own_valkey.url, "r1", of) as one:
        await one.knows(1)
        await one.admission.admit(request("a", tokens=100))
        await one.client.zadd(f"{ROOT}:replicas", {"r1": 0})
        async with fallback(own_valkey.url, "r2", of) as two:
            await two.knows(2)

            async def adopted() -> bool:
                return (await one.queue.inspect_agent("ann")).in_flight == 1

            await until(adopted, "the running call to be held again")
            used = Charge(1, 100, 30, 130, 100, 30, 10)
            one.admission.settle(Settlement("a", LANE, used))

            async def whole() -> bool:
                seen = await two.queue.inspect_agent("ann")
                return (seen.tokens, seen.in_flight, seen.requests) == (130, 0, 1)

            await until(whole, "input that was counted once, and the output")


async def test_a_call_that_cannot_wait_for_the_silence_is_admitted_all_the_same(
    own_valkey: ValkeyProcess,
) -> None:
    async with fallback(own_valkey.url, "r1", topology(rpm=1000)) as one:
        await one.knows(1)
        own_valkey.pause()
        verdicts = await asyncio.gather(
            one.admission.admit(request("a", wait_s=0)),
            one.admission.admit(request("b", wait_s=FAST.silence_s / 10)),
        )
        assert admitted(list(verdicts)) == 2
        own_valkey.resume()
        await one.is_back()


async def test_what_is_owed_is_told_before_a_replica_stops(own_valkey: ValkeyProcess) -> None:
    of = topology(Budget(tpm=1000))
    async with fallback(own_valkey.url, "r1", of) as one:
        await one.knows(1)
        own_valkey.pause()
        await one.is_alone()
        await one.admission.admit(request("a", tokens=10))
        own_valkey.resume()
        await one.is_back()
        one.admission.settle(ended("a", 40))
    async with fallback(own_valkey.url, "r2", of) as two:
        assert (await two.queue.inspect_agent("ann")).tokens == 40


async def test_replicas_do_not_return_all_at_once(own_valkey: ValkeyProcess) -> None:
    of, apart = topology(rpm=1000), replace(FAST, jitter_s=1.0)
    async with (
        fallback(own_valkey.url, "r1", of, apart, 0.0) as one,
        fallback(own_valkey.url, "r2", of, apart, 1.0) as two,
    ):
        await one.knows(2)
        own_valkey.pause()
        await one.is_alone()
        await two.is_alone()
        own_valkey.resume()
        await one.is_back()
        assert two.admission.degraded is not None
        await two.is_back()


async def test_who_returns_later_than_others_uses_no_more_of_its_share(
    own_valkey: ValkeyProcess,
) -> None:
    of, slow = topology(Budget(tpm=1000)), replace(FAST, jitter_s=0.6)
    async with (
        fallback(own_valkey.url, "r1", of, slow, chance=0) as one,
        fallback(own_valkey.url, "r2", of, slow, chance=1) as two,
    ):
        await one.knows(2)
        await two.knows(2)
        own_valkey.pause()
        await one.is_alone()
        await two.is_alone()
        own_valkey.resume()
        await one.is_back()
        assert two.admission.degraded is not None
        calls = [
            each.admission.admit(request(f"{name}{number}", wait_s=0))
            for name, each in (("a", one), ("b", two))
            for number in range(12)
        ]
        assert admitted(await asyncio.gather(*calls)) == 10


async def test_a_replica_that_is_cut_off_alone_uses_no_more_than_its_share(
    tmp_path: Path,
) -> None:
    """The others cannot know that it lives, and use the whole limit."""
    store = _on_tcp(tmp_path / "store")
    with running(store):
        async with link(_port(store)) as way:
            of, url = topology(Budget(rpm=20)), f"redis://127.0.0.1:{way.own_port}"
            async with fallback(store.url, "r1", of) as one, fallback(url, "r2", of) as two:
                await two.knows(2)
                way.shut = True
                way.cut()
                await two.is_alone()
                calls = [
                    each.admission.admit(request(f"{name}{number}", tokens=1, wait_s=0))
                    for name, each in (("a", one), ("b", two))
                    for number in range(30)
                ]
                verdicts = await asyncio.gather(*calls)
                assert (admitted(verdicts[:30]), admitted(verdicts[30:])) == (20, 10)
                way.shut = False
                await two.is_back()


async def test_waiting_calls_move_over_and_back_in_their_order(
    own_valkey: ValkeyProcess,
) -> None:
    order: list[str] = []

    async def call(ticket: str) -> None:
        assert isinstance(await one.admission.admit(request(ticket)), Admitted)
        order.append(ticket)

    async with fallback(own_valkey.url, "r1", topology(concurrency=1)) as one:
        await one.knows(1)
        await one.admission.admit(request("first"))
        calls = [asyncio.ensure_future(call(name)) for name in ("a", "b", "c")]

        async def three() -> bool:
            return sum((await one.queue.inspect_lane(LANE)).waiting) == 3

        await until(three, "three to wait")
        own_valkey.pause()
        await one.is_alone()
        one.admission.settle(ended("first"))
        await calls[0]
        own_valkey.resume()
        await one.is_back()
        one.admission.settle(ended("a"))
        await calls[1]
        one.admission.settle(ended("b"))
        await calls[2]
        one.admission.settle(ended("c"))
        assert order == ["a", "b", "c"]

        async def empty() -> bool:
            lane = await one.queue.inspect_lane(LANE)
            return (lane.in_flight, lane.held, sum(lane.waiting)) == (0, [0] * 4, 0)

        await until(empty, "nothing to be left")


async def test_a_waiting_call_that_shrinks_does_so_wherever_it_waits(
    own_valkey: ValkeyProcess,
) -> None:
    async with fallback(own_valkey.url, "r1", topology(concurrency=1)) as one:
        await one.knows(1)
        await one.admission.admit(request("a"))
        waits = asyncio.ensure_future(one.admission.admit(request("b", tokens=500)))
        await eventually(lambda: one.queue.waits("b"), "b to wait")
        one.admission.amend("b", charge(300))
        own_valkey.pause()
        await one.is_alone()
        one.admission.amend("b", charge(200))
        one.admission.settle(ended("a"))
        assert isinstance(await waits, Admitted)
        assert one.admission._running["b"].request.charge == charge(200)
        own_valkey.resume()


async def test_a_block_met_without_the_store_is_told_to_it(own_valkey: ValkeyProcess) -> None:
    async with fallback(own_valkey.url, "r1", topology(rpm=10)) as one:
        await one.knows(1)
        own_valkey.pause()
        await one.is_alone()
        await one.admission.admit(request("a", wait_s=100))
        one.admission.head("a", LANE, [Headroom(Dimension.RPM, 10, 5)])
        one.admission.extend("a", LANE, 10)
        one.admission.block(LANE, (), 30.0)
        again = asyncio.ensure_future(one.admission.requeue(request("a", wait_s=100)))
        own_valkey.resume()
        await one.is_back()

        async def blocked() -> bool:
            lane = await one.queue.inspect_lane(LANE, queue=True)
            return lane.blocked_until_us[4] > 0 and "a" in {row.ticket for row in lane.queue}

        await until(blocked, "the block, and the call behind it")
        again.cancel()


HURTS: dict[str, tuple[list[str], list[str]]] = {
    "read-only": (["REPLICAOF", "127.0.0.1", "1"], ["REPLICAOF", "NO", "ONE"]),
    "out of memory": (["CONFIG", "SET", "maxmemory", "1"], ["CONFIG", "SET", "maxmemory", "0"]),
    "without scripts": (
        ["ACL", "SETUSER", "default", "-eval", "-evalsha"],
        ["ACL", "SETUSER", "default", "+eval", "+evalsha"],
    ),
    "paused for writers": (["CLIENT", "PAUSE", "60000", "WRITE"], ["CLIENT", "UNPAUSE"]),
}


@pytest.mark.parametrize("hurt", HURTS)
async def test_a_store_that_refuses_is_as_good_as_lost(
    own_valkey: ValkeyProcess, hurt: str
) -> None:
    begin, end = HURTS[hurt]
    async with fallback(own_valkey.url, "r1", topology(rpm=1000)) as one:
        await one.knows(1)
        with own_valkey.client() as outside:
            outside.execute_command(*begin)
            assert isinstance(await one.admission.admit(request("a")), Admitted)
            assert one.admission.degraded is not None
            outside.execute_command(*end)
        await one.is_back()
        one.admission.settle(ended("a"))
        assert isinstance(await one.admission.admit(request("b")), Admitted)


async def test_a_cluster_that_is_down_is_as_good_as_lost(
    valkey_cluster: ValkeyCluster, cluster_url: str
) -> None:
    """The node that has our slot says CLUSTERDOWN, since another slot is nobody's."""
    async with fallback(cluster_url, "r1", topology(rpm=1000)) as one:
        await one.knows(1)
        assert isinstance(one.client, RedisCluster)
        ours = one.client.keyslot(ROOT)
        node = valkey_cluster.nodes[ours * len(valkey_cluster.nodes) // 16384]
        other = ours + 1
        with node.client() as outside:
            outside.execute_command("CLUSTER DELSLOTS", other)
            try:
                assert isinstance(await one.admission.admit(request("a")), Admitted)
                await one.is_alone()
            finally:
                outside.execute_command("CLUSTER ADDSLOTS", other)
        await one.is_back()
        one.admission.settle(ended("a"))
        assert isinstance(await one.admission.admit(request("b")), Admitted)


async def test_a_failover_to_a_replica_keeps_what_it_has(tmp_path: Path) -> None:
    """The primary dies, its replica is promoted, and the address leads there."""
    first, second = (_on_tcp(tmp_path / name) for name in ("first", "second"))
    with running(first), running(second):
        async with link(_port(first)) as way:
            with second.client() as outside:
                outside.execute_command("REPLICAOF", "127.0.0.1", str(_port(first)))
                url = f"redis://127.0.0.1:{way.own_port}"
                async with fallback(url, "r1", topology(Budget(tpm=1000))) as one:
                    await one.knows(1)
                    await one.admission.admit(request("a", tokens=100))
                    one.admission.settle(ended("a", 100))
                    await one.admission.admit(request("running", tokens=50))

                    async def copied() -> bool:
                        return outside.get(f"{ROOT}:ticket:running") is not None

                    await until(copied, "the replica to have everything")
                    first.kill()
                    way.port = _port(second)
                    outside.execute_command("REPLICAOF", "NO", "ONE")
                    assert isinstance(await one.admission.admit(request("b", tokens=7)), Admitted)
                    one.admission.settle(ended("running", 50))
                    one.admission.settle(ended("b", 7))

                    async def whole() -> bool:
                        seen = await one.queue.inspect_agent("ann")
                        return (seen.tokens, seen.in_flight) == (157, 0)

                    await until(whole, "everything to be there")


def _on_tcp(folder: Path) -> ValkeyProcess:
    folder.mkdir()
    port = str(free_port())
    volatile = ("--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0")
    where = ("--port", port, "--bind", "127.0.0.1")
    return ValkeyProcess(f"redis://127.0.0.1:{port}", folder, (*volatile, *where))


def _port(server: ValkeyProcess) -> int:
    return int(server.url.rpartition(":")[2])


async def test_a_gateway_that_stood_still_itself_does_not_take_the_store_for_lost(
    own_valkey: ValkeyProcess,
) -> None:
    async with fallback(own_valkey.url, "r1", topology(rpm=1000)) as one:
        await one.knows(1)
        for number in range(3):
            call = asyncio.ensure_future(one.admission.admit(request(f"t{number}")))
            await eventually(lambda: one.queue.silent_s > 0, "the store to be asked")
            time.sleep(FAST.silence_s)  # noqa: ASYNC251 - a stall is what this is about
            assert isinstance(await call, Admitted)
        assert one.admission.losses == 0


async def test_a_slow_store_is_used_as_long_as_it_answers_in_time(
    own_valkey: ValkeyProcess,
) -> None:
    async with fallback(own_valkey.url, "r1", topology(rpm=1000)) as one:
        await one.knows(1)
        for number in range(3):
            own_valkey.pause()
            call = asyncio.ensure_future(one.admission.admit(request(f"t{number}")))
            await asyncio.wait([call], timeout=FAST.silence_s / 3)
            own_valkey.resume()
            assert isinstance(await call, Admitted)
        assert one.admission.losses == 0


async def test_while_the_store_times_out_no_call_fails_and_little_is_added(
    own_valkey: ValkeyProcess, caplog: pytest.LogCaptureFixture
) -> None:
    """Field note 28: p50/p90/p99 of what is added at most 0.5/1/2 s, 2 kB of log per call."""
    caplog.set_level(logging.INFO)
    async with fallback(own_valkey.url, "r1", topology(rpm=10_000)) as one:
        await one.knows(1)
        own_valkey.pause()
        took_s: list[float] = []

        async def call(number: int) -> None:
            began_s = time.monotonic()
            assert isinstance(await one.admission.admit(request(f"t{number}", tokens=1)), Admitted)
            took_s.append(time.monotonic() - began_s)
            one.admission.settle(ended(f"t{number}", 1))

        calls = []
        for number in range(100):
            calls.append(asyncio.ensure_future(call(number)))
            await asyncio.sleep(0.005)
        await asyncio.gather(*calls)
        own_valkey.resume()
        await one.is_back()
    took_s.sort()
    assert (took_s[50] < 0.5, took_s[90] < 1.0, took_s[99] < 2.0) == (True, True, True)
    assert sum(len(record.getMessage()) for record in caplog.records) < 2000


async def test_it_is_said_once_in_the_log_and_once_when_it_is_over(
    own_valkey: ValkeyProcess, caplog: pytest.LogCaptureFixture
) -> None:
    async with fallback(own_valkey.url, "r1", topology(rpm=1000)) as one:
        await one.knows(1)
        own_valkey.pause()
        await one.is_alone()
        assert one.admission.degraded == "the store does not answer; admitting 1/1 of each limit"
        own_valkey.resume()
        await one.is_back()
    said = [record.getMessage() for record in caplog.records if "fallback" in record.name]
    assert [text.split(";")[0] for text in said] == [
        "the store does not answer",
        "the store is back",
    ]


async def test_who_waits_when_the_gateway_stops_is_refused(own_valkey: ValkeyProcess) -> None:
    async with fallback(own_valkey.url, "r1", topology(concurrency=1)) as one:
        await one.knows(1)
        own_valkey.kill()
        await one.is_alone()
        await one.admission.admit(request("a"))
        waits = asyncio.ensure_future(one.admission.admit(request("b")))
        await asyncio.sleep(0)
    verdict = await waits
    assert isinstance(verdict, Refusal)
    assert verdict.reason is Reason.DRAINING


async def test_an_edit_of_limits_acts_without_the_store_too(own_valkey: ValkeyProcess) -> None:
    async with fallback(own_valkey.url, "r1", topology(concurrency=1)) as one:
        await one.knows(1)
        own_valkey.kill()
        await one.is_alone()
        await one.admission.admit(request("a"))
        waits = asyncio.ensure_future(one.admission.admit(request("b")))
        await one.admission.configure(topology(concurrency=2))
        assert isinstance(await waits, Admitted)


def test_the_default_times_are_those_of_the_page() -> None:
    times = FallbackSettings()
    assert (times.silence_s, times.quick_s) == (0.5, 0.25)
    assert (times.looking.return_in_s, times.jitter_s, times.looking.every_s) == (1.5, 0.1, 0.5)
    assert times.silence_s + 2 * times.check_s < 1.0
