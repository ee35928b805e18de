"""The queue of all replicas on a real store; the rules themselves are tested on the model."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import msgspec
import pytest

from gateway.core.admission import messages
from gateway.domain.admission import Admitted, Charge, Expectation, Settlement
from gateway.domain.limits import Budget, Dimension, Headroom, ScopeKind
from gateway.domain.outcome import Reason, Refusal
from gateway.store.admission import AdmissionSettings, RedisAdmission
from gateway.store.connection import ROOT, Client, connect
from gateway.store.embedded import EmbeddedValkey
from gateway.store.scripts import admission_script
from gateway.wiring.clock import SystemClock
from tests.fixtures.valkey import ValkeyProcess, short_directory

from .admitting import (
    LANE,
    QUICK,
    admitted,
    charge,
    ended,
    replica,
    request,
    store_is,
    topology,
    until,
    waiting,
)


@pytest.fixture
async def admission(store: Client) -> AsyncIterator[RedisAdmission]:
    """One replica, whose lane admits one call of 1000 tokens at once, and 100 each second."""
    async with replica(store, "r1", of=topology(itpm=6000, concurrency=1)) as one:
        yield one


async def test_a_call_that_finds_room_is_admitted_at_once(admission: RedisAdmission) -> None:
    assert await admission.admit(request("a")) == Admitted("a", 0.0)
    admission.settle(ended("a", 40))
    seen = await admission.inspect_lane(LANE)
    assert (seen.in_flight, seen.held[1], seen.ledger[1][1]) == (0, 0, 40)


async def test_parallel_calls_are_admitted_only_as_far_as_they_fit(store: Client) -> None:
    async with replica(store, "r1", of=topology(rpm=30, itpm=1_000_000)) as admission:
        calls = [admission.admit(request(f"t{number}", wait_s=0)) for number in range(100)]
        verdicts = await asyncio.gather(*calls)
    assert admitted(verdicts) == 30
    refusals = {v.reason for v in verdicts if isinstance(v, Refusal)}
    assert refusals == {Reason.QUEUE_TIMEOUT}


@pytest.mark.parametrize("limit", ["lane", "agent"])
async def test_replicas_share_one_limit(store: Client, limit: str) -> None:
    of = topology(Budget(rpm=20), rpm=10_000) if limit == "agent" else topology(rpm=20)
    async with (
        replica(store, "r1", of=of) as one,
        replica(store, "r2", of=of) as two,
        replica(store, "r3", of=of) as three,
    ):
        calls = [
            each.admit(request(f"{number}-{index}", wait_s=0))
            for number in range(15)
            for index, each in enumerate((one, two, three))
        ]
        assert admitted(await asyncio.gather(*calls)) == 20


async def test_a_waiting_call_goes_when_another_ends(admission: RedisAdmission) -> None:
    await admission.admit(request("a"))
    second = asyncio.ensure_future(admission.admit(request("b")))
    await waiting(admission, 1)
    admission.settle(ended("a"))
    verdict = await second
    assert isinstance(verdict, Admitted)
    assert verdict.waited_s > 0
    assert verdict.bound is not None
    assert (verdict.bound.scope, verdict.bound.dimension) == (
        ScopeKind.LANE,
        Dimension.CONCURRENCY,
    )


async def test_a_waiting_call_goes_in_time_when_the_bucket_has_refilled(store: Client) -> None:
    async with replica(store, "r1", of=topology(itpm=60_000)) as admission:
        await admission.admit(request("a", tokens=60_000))
        began = time.monotonic()
        verdict = await admission.admit(request("b", tokens=200))
        took_s = time.monotonic() - began
    assert isinstance(verdict, Admitted)
    assert verdict.waited_s == pytest.approx(0.2, abs=0.1)
    assert took_s < verdict.waited_s + 0.2


async def test_a_grant_reaches_the_replica_whose_ticket_it_is(store: Client) -> None:
    of = topology(concurrency=1)
    async with replica(store, "r1", of=of) as one, replica(store, "r2", of=of) as two:
        await one.admit(request("a"))
        second = asyncio.ensure_future(two.admit(request("b")))
        await waiting(one, 1)
        began = time.monotonic()
        one.settle(ended("a"))
        assert isinstance(await second, Admitted)
        # By the outbox and not by a beat, which comes each 0.1 s only for tickets older than that.
        assert time.monotonic() - began < 1.0


async def test_a_lost_outbox_is_found_out_by_the_next_beat(store: Client) -> None:
    of = topology(concurrency=1)
    async with replica(store, "r1", of=of) as one:
        deaf = RedisAdmission(store, ROOT, "r2", SystemClock(), QUICK)
        deaf._spawn(deaf._batches.run())  # it sends and beats, but does not listen
        deaf._beat_later()
        await deaf.configure(of)
        await one.admit(request("a"))
        second = asyncio.ensure_future(deaf.admit(request("b")))
        await waiting(one, 1)
        one.settle(ended("a"))
        assert isinstance(await second, Admitted)
        await deaf.stop()


async def test_a_caller_that_goes_away_leaves_the_queue(admission: RedisAdmission) -> None:
    await admission.admit(request("a"))
    second = asyncio.ensure_future(admission.admit(request("b")))
    await waiting(admission, 1)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    await waiting(admission, 0)


async def test_a_grant_that_crosses_a_cancel_is_given_back(admission: RedisAdmission) -> None:
    call = asyncio.ensure_future(admission.admit(request("a")))
    await asyncio.sleep(0)  # it is on its way
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert isinstance(await admission.admit(request("b")), Admitted)
    assert (await admission.inspect_lane(LANE)).ledger[2][1] == 100


async def test_who_waited_as_long_as_it_may_is_refused_with_a_time(
    admission: RedisAdmission,
) -> None:
    await admission.admit(request("a"))
    verdict = await admission.admit(request("b", wait_s=0.1))
    assert isinstance(verdict, Refusal)
    assert verdict.reason is Reason.QUEUE_TIMEOUT
    assert verdict.retry_after_s is not None
    await waiting(admission, 0)


async def test_a_call_larger_than_the_limit_is_refused_at_once(admission: RedisAdmission) -> None:
    verdict = await admission.admit(request("a", tokens=6001))
    assert isinstance(verdict, Refusal)
    assert verdict.reason is Reason.LARGER_THAN_LIMIT
    assert "6001" in verdict.message
    assert "6000" in verdict.message


async def test_a_retry_keeps_its_place(admission: RedisAdmission) -> None:
    await admission.admit(request("a"))
    first = asyncio.ensure_future(admission.admit(request("b", retry_of="x")))
    await waiting(admission, 1)
    other = asyncio.ensure_future(admission.admit(request("c")))
    await waiting(admission, 2)
    first.cancel()
    await waiting(admission, 1)
    again = asyncio.ensure_future(admission.admit(request("b2", retry_of="x", is_retry=True)))
    await waiting(admission, 2)
    queue = (await admission.inspect_lane(LANE, queue=True)).queue
    assert [row.ticket for row in queue] == ["b2", "c"]
    for call in (other, again):
        call.cancel()


async def test_a_provider_s_429_puts_the_call_back_and_lets_it_go_when_the_block_ends(
    admission: RedisAdmission,
) -> None:
    await admission.admit(request("a"))
    admission.block(LANE, ("itpm",), 0.3)
    began = time.monotonic()
    verdict = await admission.requeue(request("a"))
    assert isinstance(verdict, Admitted)
    assert 0.25 < time.monotonic() - began < 1.5
    assert (await admission.inspect_lane(LANE)).ledger[1][0] == 1  # it counted as a request


async def test_headers_correct_a_lane_and_teach_one_of_its_own(admission: RedisAdmission) -> None:
    await admission.admit(request("a", lane="claude/new-model"))
    admission.head("a", "claude/new-model", ())
    admission.head("a", "claude/new-model", [Headroom(Dimension.ITPM, 50_000, 30_000, 1000)])
    seen = await admission.inspect_lane("claude/new-model")
    assert seen.limits[1] == 50_000
    assert seen.level[1] < 30_000


async def test_a_growing_answer_holds_more(admission: RedisAdmission) -> None:
    await admission.admit(request("a"))
    admission.extend("a", LANE, 700)
    assert (await admission.inspect_lane(LANE)).held[2] == 700
    assert (await admission.inspect_agent("ann")).held_output == 700
    assert (await admission.inspect_team("red")).held_output == 700


async def test_an_edit_acts_at_once_on_what_waits(admission: RedisAdmission) -> None:
    await admission.admit(request("a"))
    second = asyncio.ensure_future(admission.admit(request("b")))
    await waiting(admission, 1)
    await admission.configure(topology(itpm=6000, concurrency=2))
    assert isinstance(await second, Admitted)
    await admission.configure(topology(itpm=6000, concurrency=2))  # nothing changed: no call


async def test_an_operator_pauses_resumes_and_unblocks(admission: RedisAdmission) -> None:
    admission.pause(LANE)
    admission.block(LANE, (), 60.0)
    call = asyncio.ensure_future(admission.admit(request("a", wait_s=5000)))
    await waiting(admission, 1)
    admission.resume(LANE)
    admission.unblock(LANE)
    assert isinstance(await call, Admitted)


async def test_everything_expires(admission: RedisAdmission, store: Client) -> None:
    await admission.admit(request("a"))
    second = asyncio.ensure_future(admission.admit(request("b", retry_of="x")))
    await waiting(admission, 1)
    second.cancel()
    await waiting(admission, 0)
    keys = await store.keys("*")
    assert len(keys) > 5
    for key in keys:
        assert await store.ttl(key) > 0, key


# --- replicas that die or stop ------------------------------------------------------------------


async def test_what_a_killed_replica_held_comes_back_within_its_lease(store: Client) -> None:
    of = topology(concurrency=1)
    async with replica(store, "r1", of=of) as one:
        dead = RedisAdmission(store, ROOT, "r2", SystemClock(), QUICK)
        dead._spawn(dead._batches.run())  # it never beats
        await dead.configure(of)
        assert isinstance(await dead.admit(request("a")), Admitted)
        assert isinstance(await one.admit(request("b", wait_s=5)), Admitted)
        seen = await one.inspect_lane(LANE)
        assert (seen.in_flight, seen.ledger[3][1]) == (1, 100)
        dead._stopping = True
        await dead.stop()


async def test_a_replica_that_stops_gives_everything_back_at_once(store: Client) -> None:
    of = topology(concurrency=1)
    slow = replace(QUICK, lease_s=60.0)
    async with replica(store, "r1", slow, of) as one:
        async with replica(store, "r2", slow, of) as two:
            await two.admit(request("a"))
            stuck = asyncio.ensure_future(two.admit(request("b")))
            await waiting(one, 1)
        verdict = await stuck
        assert isinstance(verdict, Refusal)
        assert verdict.reason is Reason.DRAINING
        assert await two.admit(request("c")) == verdict
        assert isinstance(await one.admit(request("d")), Admitted)


async def test_a_replica_taken_for_dead_begins_anew(store: Client) -> None:
    """It slept through its lease: its ticket arrives again by itself."""
    of = topology(concurrency=1)
    async with replica(store, "r1", of=of) as one, replica(store, "r2", of=of) as two:
        await one.admit(request("a"))
        call = asyncio.ensure_future(two.admit(request("b")))
        await waiting(one, 1)
        await store.zadd(f"{ROOT}:replicas", {"r2": 0})
        one.head("a", LANE, [Headroom(Dimension.RPM, None, None)])
        await waiting(one, 1)  # reaped, and found out by the next beat
        one.settle(ended("a"))
        assert isinstance(await call, Admitted)


# --- a store that fails -------------------------------------------------------------------------


async def test_a_store_without_its_data_is_told_all_limits_before_anything_else(
    admission: RedisAdmission, store: Client
) -> None:
    await admission.admit(request("a"))
    await store.flushall()
    await store.script_flush()
    calls = [admission.admit(request(f"t{number}", wait_s=0)) for number in range(5)]
    assert admitted(await asyncio.gather(*calls)) == 1


async def test_a_ticket_that_the_store_lost_arrives_again(
    admission: RedisAdmission, store: Client
) -> None:
    await admission.admit(request("a"))
    call = asyncio.ensure_future(admission.admit(request("b")))
    await waiting(admission, 1)
    await store.flushall()
    assert isinstance(await call, Admitted)


async def test_new_calls_are_refused_when_the_store_does_not_answer(
    own_valkey: ValkeyProcess,
) -> None:
    client = await connect(own_valkey.url, command_timeout_s=1.5)
    async with replica(client, "r1", of=topology(concurrency=1)) as admission:
        await admission.admit(request("a"))
        own_valkey.kill()
        began = time.monotonic()
        verdict = await admission.admit(request("b"))
        assert isinstance(verdict, Refusal)
        assert verdict.reason is Reason.STORE_LOST
        assert time.monotonic() - began < 2.0
        assert not admission.store_up
        assert await admission.admit(request("c")) == verdict
        admission.settle(ended("a"))
        own_valkey.start()
        await store_is(admission, up=True)
        assert isinstance(await admission.admit(request("d")), Admitted)
    await client.aclose()


async def test_a_call_that_waits_outlives_a_short_loss_of_the_store(
    own_valkey: ValkeyProcess,
) -> None:
    client = await connect(own_valkey.url, command_timeout_s=1.5)
    async with replica(client, "r1", of=topology(concurrency=1)) as admission:
        await admission.admit(request("a"))
        call = asyncio.ensure_future(admission.admit(request("b")))
        await waiting(admission, 1)
        own_valkey.kill()
        admission.settle(ended("a"))
        await store_is(admission, up=False)
        own_valkey.start()  # empty: it has forgotten everybody
        assert isinstance(await call, Admitted)
    await client.aclose()


async def test_a_call_whose_time_runs_out_while_the_store_is_lost_is_refused(
    own_valkey: ValkeyProcess,
) -> None:
    client = await connect(own_valkey.url, command_timeout_s=1.5)
    async with replica(client, "r1", of=topology(concurrency=1)) as admission:
        await admission.admit(request("a"))
        call = asyncio.ensure_future(admission.admit(request("b", wait_s=0.5)))
        await waiting(admission, 1)
        own_valkey.kill()
        verdict = await call
        assert isinstance(verdict, Refusal)
        assert verdict.reason is Reason.STORE_LOST
    await client.aclose()


async def test_a_script_that_fails_refuses_its_batch_and_harms_nobody_else(
    admission: RedisAdmission, store: Client, caplog: pytest.LogCaptureFixture
) -> None:
    bad = replace(request("a"), charge=Charge(lane_input_tokens="many"))  # type: ignore[arg-type] # on purpose
    verdict = await admission.admit(bad)
    assert isinstance(verdict, Refusal)
    assert verdict.reason is Reason.INTERNAL
    assert "admission script failed" in caplog.text
    assert isinstance(await admission.admit(request("b")), Admitted)


async def test_an_event_that_makes_no_sense_refuses_its_call_and_nobody_else(
    admission: RedisAdmission, store: Client, caplog: pytest.LogCaptureFixture
) -> None:
    await admission.admit(request("a"))
    call = asyncio.ensure_future(admission.admit(request("b")))
    await waiting(admission, 1)
    event = ["r", "b", "no such reason", "lane", LANE, "rpm", 0, 0, 0]
    await store.rpush(f"{ROOT}:out:r1", msgspec.msgpack.encode([event]))
    verdict = await call
    assert isinstance(verdict, Refusal)
    assert verdict.reason is Reason.INTERNAL
    assert "no such reason" in caplog.text
    await waiting(admission, 0)
    assert admission.store_up


async def test_configuration_is_sent_again_before_it_expires(store: Client) -> None:
    settings = replace(QUICK, refresh_s=0.2)
    async with replica(store, "r1", settings, topology(concurrency=1)):
        await store.persist(f"{ROOT}:lane:{LANE}")

        async def refreshed() -> bool:
            return bool(await store.ttl(f"{ROOT}:lane:{LANE}") > 0)

        await until(refreshed, "the lane to expire again")


async def test_it_runs_on_a_cluster(cluster_url: str) -> None:
    client = await connect(cluster_url)
    of = topology(concurrency=1)
    async with replica(client, "r1", of=of) as one, replica(client, "r2", of=of) as two:
        await one.admit(request("a"))
        call = asyncio.ensure_future(two.admit(request("b")))
        await waiting(one, 1)
        one.settle(Settlement("a", LANE, charge()))
        assert isinstance(await call, Admitted)
    await client.aclose()


def test_default_times_fit_the_promise_that_nothing_leaks_for_longer_than_five_seconds() -> None:
    settings = AdmissionSettings()
    assert settings.lease_s + settings.beat_s <= 5.0
    assert settings.lease_s >= 3 * settings.beat_s


async def test_a_ticket_that_has_ended_here_but_not_in_the_store_is_disowned(
    store: Client, admission: RedisAdmission
) -> None:
    """As when a call that was given up arrives late, or the store comes back some seconds old."""
    await admission.admit(request("a", tokens=10))
    late = msgspec.msgpack.encode([messages.arrive(request("ghost", tokens=10))])
    settings = (ROOT,), ("r1", "", messages.micros(QUICK.lease_s), late)
    admission.settle(ended("a", 10))
    await admission.inspect_lane(LANE)
    await admission_script().call(store, *settings)

    async def gone() -> bool:
        return (await admission.inspect_lane(LANE)).in_flight == 0

    await until(gone, "the ghost to be disowned")
    assert (await admission.inspect_lane(LANE)).ledger[3][1] == 10


async def test_an_audit_disowns_no_call_that_runs(admission: RedisAdmission) -> None:
    await admission.admit(request("a", tokens=10))
    second = asyncio.ensure_future(admission.admit(request("b", tokens=10)))
    await waiting(admission, 1)
    await asyncio.sleep(4 * QUICK.beat_s)
    seen = await admission.inspect_lane(LANE)
    assert (seen.in_flight, sum(seen.waiting), seen.ledger[3][1]) == (1, 1, 0)
    admission.settle(ended("a", 10))
    assert isinstance(await second, Admitted)


async def test_a_store_that_was_out_of_reach_is_told_the_limits_again(
    store: Client, admission: RedisAdmission
) -> None:
    """It may have come back as it was before they were changed."""
    old = messages.configure_all(topology(itpm=77, concurrency=1))
    packed = msgspec.msgpack.encode(list(old))
    await admission_script().call(
        store, (ROOT,), ("r1", "", messages.micros(QUICK.lease_s), packed)
    )
    assert (await admission.inspect_lane(LANE)).configured[1] == 77
    await store.execute_command("CLIENT", "KILL", "TYPE", "normal")

    async def right() -> bool:
        return (await admission.inspect_lane(LANE)).configured[1] == 6000

    await until(right, "the limits in force to be the configured ones")


async def test_a_call_that_waits_hears_what_it_can_expect_and_how_that_changes(
    store: Client,
) -> None:
    of = topology(concurrency=1)
    told: list[Expectation] = []
    async with replica(store, "r1", of=of) as one, replica(store, "r2", of=of) as two:
        await one.admit(request("a"))
        before = asyncio.ensure_future(one.admit(request("b", agent="bob")))
        await waiting(one, 1)
        call = asyncio.ensure_future(two.admit(request("c"), told.append))

        async def heard() -> bool:
            return len(told) > 2

        await until(heard, "more than what is told at the beginning")
        assert {(one.position, one.ahead, one.bound.name) for one in told} == {(2, "bob", LANE)}
        before.cancel()

        async def first() -> bool:
            return told[-1].position == 1

        await until(first, "to hear that nobody is ahead any more")
        assert told[-1].ahead is None
        one.settle(ended("a"))
        assert isinstance(await call, Admitted)
        count = len(told)
    assert len(told) == count


async def test_a_call_that_is_admitted_at_once_hears_nothing(admission: RedisAdmission) -> None:
    told: list[Expectation] = []
    await admission.admit(request("a"), told.append)
    assert told == []


async def test_a_turn_that_was_given_back_is_not_taken_for_the_next_one(
    admission: RedisAdmission,
) -> None:
    """The outbox may say late what a reply has said before."""
    await admission.admit(request("a", tokens=10))
    second = asyncio.ensure_future(admission.admit(request("b", tokens=10, wait_s=5000)))
    await waiting(admission, 1)
    admission.settle(ended("a", 10))
    first_turn = await second
    assert isinstance(first_turn, Admitted)
    admission.pause(LANE)
    again = asyncio.ensure_future(admission.requeue(request("b", tokens=10, wait_s=5000)))
    await waiting(admission, 1)
    admission._take([["g", "b", first_turn.waited_s * messages.MICRO, "", "", ""]])
    await waiting(admission, 1)
    assert not again.done()
    admission.resume(LANE)
    next_turn = await again
    assert isinstance(next_turn, Admitted)
    assert next_turn.waited_s > first_turn.waited_s


async def test_audits_begin_again_when_they_are_through(store: Client) -> None:
    async with replica(store, "r1", of=topology()) as admission:
        admission._audited = "zzz"
        late = msgspec.msgpack.encode([messages.arrive(request("ghost"))])
        await admission_script().call(
            store, (ROOT,), ("r1", "", messages.micros(QUICK.lease_s), late)
        )

        async def gone() -> bool:
            return (await admission.inspect_lane(LANE)).in_flight == 0

        await until(gone, "the ghost to be disowned")


async def test_pauses_blocks_and_places_survive_a_restart_of_the_store() -> None:
    """With its append-only file; kill -9 loses nothing that the system had been given."""
    with short_directory() as directory:
        async with EmbeddedValkey(directory / "var") as store:
            client = await connect(store.url)
            async with replica(client, "r1", of=topology(itpm=10_000)) as admission:
                admission.pause(LANE)
                admission.block(LANE, ("otpm",), 500.0)
                call = asyncio.ensure_future(admission.admit(request("t1", wait_s=4000.0)))
                await waiting(admission, 1)
                before, first = await admission.inspect_lane(LANE), store.pid
                assert first is not None
                os.kill(first, signal.SIGKILL)
                await store_is(admission, up=False)
                await store_is(admission, up=True)
                after = await admission.inspect_lane(LANE)
                assert (after.paused, after.waiting) == (1, [0, 1, 0])
                assert after.blocked_until_us == before.blocked_until_us
                assert store.pid != first
                admission.resume(LANE)
                assert isinstance(await call, Admitted)
            await client.aclose()


@pytest.mark.parametrize("lacking", [("nb",), ("use", "rmp", "rid", "rst", "rov")], ids=str)
async def test_a_lane_that_an_earlier_version_left_in_the_store_is_understood(
    store: Client, admission: RedisAdmission, lacking: tuple[str, ...]
) -> None:
    """A rolling upgrade finds what the version before it has written."""
    await admission.admit(request("a"))
    before = await admission.inspect_lane(LANE)
    key = f"{ROOT}:lane:{LANE}"
    blob = msgspec.msgpack.decode(await store.get(key))  # type: ignore[arg-type] # bytes
    await store.set(
        key, msgspec.msgpack.encode({k: v for k, v in blob.items() if k not in lacking})
    )
    after = await admission.inspect_lane(LANE)
    assert (after.held, after.pace, after.strangers) == (before.held, 1, [0] * 4)
    admission.settle(ended("a", 40))
    assert (await admission.inspect_lane(LANE)).in_flight == 0
