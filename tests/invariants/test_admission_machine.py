"""Whatever happens to admission, model and script agree, and nothing is lost or given twice.

One Hypothesis state machine drives both with the same operations, clock steps (back as well),
corrections and crashes. `Both` compares every event, every next time and all state after each
call; the invariants here are checked against what the machine itself remembers.
"""

from collections import Counter
from typing import Any

import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from gateway.core.admission.messages import Event, Operation
from gateway.core.admission.snapshot import BudgetSnapshot, LaneSnapshot

from .both import Both

_TEAMS = {"ann": "red", "bob": "red", "cat": "", "dan": "blue"}
_LANES = ("sonnet", "openai/gpt-4o|mini")
_REPLICAS = ("r1", "r2", "r3")
_SCOPES = (
    *(f"lane:{name}" for name in _LANES),
    *(f"agent:{name}" for name in _TEAMS),
    "team:red",
    "team:blue",
)
_SECOND = 1_000_000

lanes = st.sampled_from(_LANES)
replicas = st.sampled_from(_REPLICAS)
pauses = st.sampled_from(
    [0, 0, 1, 1000, 100_000, 700_000, 1_500_000, 4_000_000, 10_000_000, 70_000_000, -500_000]
)
stamps = st.sampled_from([[], [[0, 0]], [[0, 1]], [[0, 2]], [[1, 0]]])
amounts = st.sampled_from([0, 1, 10, 100, 500])


def limit(low: int, high: int) -> st.SearchStrategy[int]:
    """A limit, or none."""
    return st.one_of(st.just(-1), st.integers(low, high))


@st.composite
def charges(draw: st.DrawFn) -> list[int]:
    """What a call takes."""
    input_tokens, output_tokens = draw(st.sampled_from([0, 10, 100, 500, 3000])), draw(amounts)
    both = input_tokens + output_tokens
    cost = draw(st.sampled_from([0, 1, 50]))
    requests = draw(st.sampled_from([1, 1, 1, 0]))
    return [requests, input_tokens, output_tokens, both, input_tokens, output_tokens, cost]


lane_settings = st.fixed_dictionaries(
    {
        "limits": st.tuples(
            limit(1, 60), limit(100, 5000), limit(100, 3000), st.sampled_from([-1, -1, 3000])
        ).map(list),
        "concurrency": st.sampled_from([-1, -1, 1, 3, 6]),
        "margin": st.sampled_from([0, 0.01, 0.1]),
        "floors": st.sampled_from([[0, 0, 0], [0, 0.05, 0.2]]),
        "minute_us": st.sampled_from([60 * _SECOND, 6 * _SECOND]),
        "max_depth": st.sampled_from([3, 50]),
        "ageing_us": st.sampled_from([0, 2 * _SECOND, 30 * _SECOND]),
        "ramp": st.sampled_from(
            [[0, 1, 0], [0, 0.3, 5 * _SECOND], [8 * _SECOND, 0.5, 60 * _SECOND]]
        ),
    }
)
budget_settings = st.fixed_dictionaries(
    {
        "limits": st.tuples(
            limit(1, 20),
            limit(100, 4000),
            limit(1, 4),
            st.sampled_from([-1, -1, 500]),
            st.sampled_from([-1, -1, 5000]),
        ).map(list),
        "soft": st.integers(0, 1),
        "minute_us": st.sampled_from([60 * _SECOND, 60 * _SECOND, 6 * _SECOND]),
    }
)


class Admission(RuleBasedStateMachine):
    """Replicas, their tickets, and what happens to them."""

    tickets: Bundle[list[Any]] = Bundle("tickets")  # their arrival's fields

    def __init__(self, client: redis.Redis) -> None:
        super().__init__()
        client.flushall()
        self.both = Both(client, "gw:{machine}", _SCOPES)
        self.arrived = 0
        self.queued: list[Operation] = []
        self.open: set[str] = set()  # has no verdict yet
        self.running: set[str] = set()
        self.told: Counter[tuple[str, str]] = Counter()
        self.numbers: Counter[str] = Counter()
        self.seen: list[LaneSnapshot | BudgetSnapshot] = []

    def call(self, replica: str, *operations: Operation) -> None:
        """Make a call; now and then several operations travel in one."""
        batch = [*self.queued, *operations]
        self.queued = []
        self.numbers[replica] += 1
        number = self.numbers[replica]
        answer = self.both.call(replica, *batch, number=number)
        if not answer.known:
            hello: Operation = ["hello", len(batch) % 2, len(batch) * 500_000]
            answer = self.both.call(replica, hello, *batch, number=number)
        self.seen = answer.snapshots
        self.note(answer.events)
        for other in _REPLICAS:
            self.note(self.both.outbox(other))

    def note(self, events: list[Event]) -> None:
        """Remember verdicts."""
        for word, about, *_ in events:
            self.told[str(word), str(about)] += 1
            if word == "g":
                assert ("r", str(about)) not in self.told, f"{about}: granted after a refusal"
            if word in {"g", "r"}:
                self.open.discard(str(about))

    @initialize()
    def begin(self) -> None:
        for replica in _REPLICAS:
            self.call(replica, ["hello"])

    @rule(
        target=tickets,
        replica=replicas,
        lane=lanes,
        agent=st.sampled_from(sorted(_TEAMS)),
        band=st.integers(1, 3),
        weight=st.sampled_from([1, 2, 0.5, 3.3]),
        needs=charges(),
        wait_us=st.sampled_from([0, _SECOND, 30 * _SECOND, 120 * _SECOND]),
        print_=st.sampled_from(["", "", "p", "q"]),
        retry=st.integers(0, 1),
    )
    def arrive(
        self,
        *,
        replica: str,
        lane: str,
        agent: str,
        band: int,
        weight: float,
        needs: list[int],
        wait_us: int,
        print_: str,
        retry: int,
    ) -> list[Any]:
        self.arrived += 1
        ticket = f"t{self.arrived}"
        fields = [ticket, lane, agent, _TEAMS[agent], band, weight, needs, wait_us, print_, retry]
        self.open.add(ticket)
        self.call(replica, ["arrive", *fields])
        return fields

    @rule(ticket=consumes(tickets), replica=replicas, used=charges())
    def settle(self, ticket: list[Any], replica: str, used: list[int]) -> None:
        self.call(replica, ["settle", ticket[0], ticket[1], used])

    @rule(target=tickets, ticket=consumes(tickets), replica=replicas, how=st.integers(0, 2))
    def cancel(self, ticket: list[Any], replica: str, how: int) -> Any:
        self.call(replica, ["cancel", ticket[0], min(how, 1)])
        return multiple(ticket) if how == 2 else multiple()

    @rule(
        ticket=tickets,
        replica=replicas,
        lane=lanes,
        seen=st.lists(
            st.tuples(
                st.integers(1, 4),
                st.sampled_from([-1, -1, 1000, 4000]),
                st.sampled_from([-1, 0, 100, 900, 3000]),
                st.sampled_from([1, 100]),
            ).map(list),
            min_size=1,
            max_size=2,
        ),
    )
    def head(self, ticket: list[Any], replica: str, lane: str, seen: list[list[int]]) -> None:
        self.call(replica, ["head", ticket[0], lane, seen])

    @rule(ticket=tickets, replica=replicas, needs=charges())
    def amend(self, ticket: list[Any], replica: str, needs: list[int]) -> None:
        self.call(replica, ["amend", ticket[0], ticket[1], needs])

    @rule(ticket=tickets, replica=replicas, output=amounts)
    def extend(self, ticket: list[Any], replica: str, output: int) -> None:
        self.call(replica, ["extend", ticket[0], ticket[1], output])

    @rule(ticket=tickets, replica=replicas)
    def requeue(self, ticket: list[Any], replica: str) -> None:
        known = ticket[0] in self.both.engine.books.tickets
        if not known:  # it ended, so a requeue is a new arrival
            self.told.pop(("r", ticket[0]), None)
        self.call(replica, ["requeue", *ticket])

    @rule(
        lane=lanes,
        replica=replicas,
        numbers=st.sampled_from([[5], [1], [2, 3]]),
        for_us=st.sampled_from([100_000, 5 * _SECOND]),
    )
    def block(self, lane: str, replica: str, numbers: list[int], for_us: int) -> None:
        self.call(replica, ["block", lane, numbers, for_us])

    @rule(lane=lanes, replica=replicas, what=st.sampled_from(["unblock", "pause", "resume"]))
    def stop_or_go(self, lane: str, replica: str, what: str) -> None:
        self.call(replica, [what, lane])

    @rule(ticket=tickets, replica=replicas, retry_us=st.sampled_from([-1, 5 * _SECOND]))
    def dismiss(self, ticket: list[Any], replica: str, retry_us: int) -> None:
        self.call(replica, ["dismiss", ticket[0], "cancelled", retry_us])

    @rule(ticket=tickets, replica=replicas, band=st.integers(1, 3))
    def move(self, ticket: list[Any], replica: str, band: int) -> None:
        self.call(replica, ["move", ticket[0], band])

    @rule(lane=lanes, replica=replicas, to=lane_settings, stamp=stamps)
    def configure_lane(
        self, lane: str, replica: str, to: dict[str, Any], stamp: list[list[int]]
    ) -> None:
        self.call(replica, ["configure", f"lane:{lane}", to, *stamp])

    @rule(scope=st.sampled_from(_SCOPES[2:]), replica=replicas, to=budget_settings, stamp=stamps)
    def configure_budget(
        self, scope: str, replica: str, to: dict[str, Any], stamp: list[list[int]]
    ) -> None:
        self.call(replica, ["configure", scope, to, *stamp])

    @rule(replica=replicas, ticket=tickets)
    def beat(self, replica: str, ticket: list[Any]) -> None:
        self.call(replica, ["beat", [ticket[0]]])

    @rule(replica=replicas, ticket=tickets)
    def audit(self, replica: str, ticket: list[Any]) -> None:
        self.call(replica, ["audit", ""], ["audit", ticket[0]])

    @rule(replica=replicas, ticket=tickets)
    def disown(self, replica: str, ticket: list[Any]) -> None:
        self.call(replica, ["disown", ticket[0]])

    @rule(replica=replicas, lane=lanes)
    def tick(self, replica: str, lane: str) -> None:
        self.call(replica, ["tick", lane])

    @rule(ticket=tickets, replica=replicas, used=charges())
    def come_late(self, ticket: list[Any], replica: str, used: list[int]) -> None:
        """A batch that was given up arrives after the next one: nothing comes of it."""
        if self.numbers[replica] < 2:
            return
        number = self.numbers[replica] - 1
        batch: list[Operation] = [["settle", ticket[0], ticket[1], used], ["arrive", *ticket]]
        answer = self.both.call(replica, *batch, number=number)
        if answer.known:
            assert answer.late is not None
            assert answer.late > number
            answer = self.both.call(replica, ["hello"], *batch, number=number)
            assert answer.late is not None

    @rule(replica=replicas)
    def leave(self, replica: str) -> None:
        self.call(replica, ["bye"])

    @rule(ticket=tickets, used=charges(), lane=lanes)
    def put_off(self, ticket: list[Any], used: list[int], lane: str) -> None:
        """These travel with the next call."""
        self.queued += [["tick", lane], ["settle", ticket[0], ticket[1], used]]

    @rule(pause_us=pauses)
    def wait(self, pause_us: int) -> None:
        """Time passes; who does not call for three seconds is dead."""
        self.both.now_us += pause_us

    @invariant()
    def ledgers_sum_to_zero(self) -> None:
        for view in self.seen:
            reserved, *parts = view.ledger
            if isinstance(view, LaneSnapshot):
                held = view.held
            else:
                tokens = view.held_input + view.held_output
                held = [view.held_requests, tokens, view.held_microusd]
            assert [sum(row) for row in zip(*parts, held, strict=True)] == reserved

    @invariant()
    def nobody_is_lost_or_counted_twice(self) -> None:
        books = self.both.engine.books
        for view in self.seen:
            if isinstance(view, LaneSnapshot):
                listed = [row.ticket for row in view.queue]
                assert len(set(listed)) == len(listed) == sum(view.waiting)
                assert not any(books.tickets[ticket].admitted for ticket in listed)
        if self.seen:
            views = [view for view in self.seen if isinstance(view, LaneSnapshot)]
            admitted = [ticket.admitted for ticket in books.tickets.values()]
            assert sum(sum(view.waiting) for view in views) == admitted.count(False)
            assert sum(view.in_flight for view in views) == admitted.count(True)

    @invariant()
    def levels_stay_below_capacity(self) -> None:
        for view in self.seen:
            if isinstance(view, LaneSnapshot):
                for level, capacity in zip(view.level, view.capacity, strict=True):
                    assert capacity < 0 or level <= capacity

    def teardown(self) -> None:
        """Once blocks end, limits go and calls settle, everybody still waiting is served."""
        books = self.both.engine.books
        for lane in _LANES:
            self.queued.append(["unblock", lane])
            self.queued.append(["resume", lane])
        self.call("r1", ["tick", _LANES[0]])
        for _ in range(400):
            running = [ticket for ticket in books.tickets.values() if ticket.admitted]
            if not books.tickets:
                break
            self.both.now_us += _SECOND
            for replica in _REPLICAS:
                mine = [t for t in running if t.replica == replica]
                ends: list[Operation] = [["settle", t.id, t.lane, t.charge] for t in mine]
                ends += [["tick", lane] for lane in _LANES]
                self.call(replica, ["beat", []], *ends)
        assert not books.tickets, "somebody starves"
        for view in self.seen:
            assert view.in_flight == 0


def test_model_and_script_agree_and_nothing_is_lost(store_url: str) -> None:
    with redis.Redis.from_url(store_url, protocol=2) as client:

        class OnThisStore(Admission):
            def __init__(self) -> None:
                super().__init__(client)

        run_state_machine_as_test(
            OnThisStore,
            settings=settings(
                max_examples=25,
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
