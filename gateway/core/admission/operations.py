"""The operations, and the run of one call: reap the dead, operate, pump, report.

What an operation means stands in its function here; what it looks like stands at the head of
`gateway/store/lua/admission/operations.lua`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from . import budget as budgets
from . import lane as lanes
from .configuring import configure
from .inspect import snapshot_budget, snapshot_lane
from .messages import Event, Operation
from .predict import Prediction, predict
from .pump import Refuse, Serve, admit, ahead_of, grant, judge, pump, refuse, refuse_wait
from .queue import (
    budgets_of,
    charge_flow,
    cost_of,
    enqueue,
    kept_place,
    lane_of,
    leave,
    move,
    recharge,
    touch_budget,
)
from .snapshot import BudgetSnapshot, LaneSnapshot
from .state import Books, Flow, LaneState, Ticket

_NOTHING = [0] * 7
UNSTAMPED = (0, 0)
"""The stamp of a configuration that has none: older than all others."""
TOLD_AT_ONCE = 64
"""Of how many waiting tickets one beat is told what they can expect."""
AUDITED = 32
"""How many tickets an audit names at once."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one call says.

    Attributes:
        known: False if the caller must say hello first; nothing was done then.
        late: The number of a later batch of the caller that has run; nothing was done then.
        events: About the caller's tickets.
        lanes: Of each lane touched: name, microseconds until its pump could next serve somebody
            (-1: not by time alone), and the replica whose ticket that would be.
        snapshots: One for each `inspect`.
    """

    known: bool
    events: list[Event] = field(default_factory=list)
    lanes: list[tuple[str, int, str]] = field(default_factory=list)
    snapshots: list[LaneSnapshot | BudgetSnapshot] = field(default_factory=list)
    late: int | None = None


class Engine:
    """Admission for any number of replicas, in one process.

    Args:
        lease_us: A replica that was silent for so long is dead.
    """

    def __init__(self, lease_us: int) -> None:
        self.books = Books()
        self._lease_us = lease_us
        self._arrivals: list[Ticket] = []
        self._asked: list[Ticket] = []
        self._operations: dict[str, Callable[..., None]] = {
            "batch": self._nothing,
            "hello": self._hello,
            "bye": self._nothing,
            "configure": self._configure,
            "arrive": self._arrive,
            "requeue": self._requeue,
            "cancel": self._cancel,
            "dismiss": self._dismiss,
            "move": self._move,
            "head": self._head,
            "amend": self._amend,
            "extend": self._extend,
            "settle": self._settle_one,
            "block": self._block,
            "unblock": self._unblock,
            "pause": self._pause,
            "resume": self._resume,
            "beat": self._beat,
            "audit": self._audit,
            "disown": self._disown,
            "tick": self._tick,
            "inspect": self._nothing,
        }

    def call(self, replica: str, operations: Sequence[Operation], now_us: int) -> Answer:
        """Run a batch of operations of one replica at one moment."""
        books = self.books
        books.caller, books.now_us = replica, now_us
        books.events, books.touched, books.fresh = [], [], []
        books.made, books.cautious = set(), False
        self._arrivals, self._asked = [], []
        if replica not in books.replicas and not any(op[0] == "hello" for op in operations[:2]):
            return Answer(known=False)
        if operations[0][0] == "batch":
            number, last = cast("int", operations[0][1]), books.numbers.get(replica, 0)
            if number < last:
                return Answer(known=True, late=last)
            books.numbers[replica] = number
        books.replicas.put(replica, now_us)
        self._reap_dead()
        for name, *arguments in operations:
            self._operations[str(name)](*arguments)
        if operations[-1][0] == "bye":
            self._reap(replica)
        next_times: dict[str, tuple[int, str]] = {}
        self._pump(next_times)
        self._answer_arrivals()
        self._pump(next_times)
        self._answer_asked()
        report = [(name, *next_time) for name, next_time in next_times.items()]
        snapshots = [self._inspect(*op[1:]) for op in operations if op[0] == "inspect"]
        self._note_books()
        return Answer(True, books.events, report, snapshots)

    def outbox(self, replica: str) -> list[Event]:
        """Take what other replicas' calls have decided about this one's tickets."""
        return self.books.outboxes.pop(replica, [])

    # --- the run ------------------------------------------------------------------------------

    def _reap_dead(self) -> None:
        dead_us = self.books.now_us - self._lease_us
        replicas = self.books.replicas
        for replica in [name for name in replicas if replicas.score(name) <= dead_us]:
            self._reap(replica)

    def _reap(self, replica: str) -> None:
        """What a dead replica held comes back, what it waited for is forgotten."""
        books = self.books
        for ticket in self._tickets_of(replica):
            self._give_up(ticket)
        books.outboxes.pop(replica, None)
        books.replicas.drop(replica)
        books.numbers[replica] = books.numbers.get(replica, 0) + 1  # what is on its way is late

    def _give_up(self, ticket: Ticket) -> None:
        """Nobody answers for it: what it held comes back, what it was charged stays spent."""
        books = self.books
        lane = lane_of(books, ticket.lane)
        if not ticket.admitted:
            leave(books, lane, ticket)
            return
        lanes.expire(lane, ticket.charge)
        for budget in budgets_of(books, ticket):
            budgets.expire(budget, ticket.charge)
            touch_budget(books, budget)
        books.touch_lane(ticket.lane)
        del books.tickets[ticket.id]

    def _tickets_of(self, replica: str) -> list[Ticket]:
        """By name."""
        tickets = [ticket for ticket in self.books.tickets.values() if ticket.replica == replica]
        return sorted(tickets, key=lambda ticket: ticket.id.encode())

    def _pump(self, next_times: dict[str, tuple[int, str]]) -> None:
        books = self.books
        while books.touched:
            name = books.touched[0]
            next_times[name] = pump(books, lane_of(books, name))
            books.touched.remove(name)

    def _answer_arrivals(self) -> None:
        """Those who must wait are told how long, or refused if that is longer than they may."""
        books = self.books
        for ticket in self._arrivals:
            if ticket.admitted or ticket.id not in books.tickets:
                continue
            lane = lane_of(books, ticket.lane)
            flow = books.flow(ticket.band, ticket.agent, lane.name)
            found = predict(books, lane, ticket, flow, queued=True)
            limit = (found.kind, found.name, found.dimension)
            left_us = ticket.deadline_us - books.now_us
            if left_us <= 0 or found.wait_us > left_us:
                refuse(books, ticket, Refuse(found.reason, *limit, 0, 0, found.wait_us))
                ticket.fingerprint = ""  # it never waited, so there is no place to keep
                leave(books, lane, ticket)
            else:
                if not ticket.why[0]:
                    ticket.why = limit
                self._tell_expected(lane, ticket, flow, found)

    def _answer_asked(self) -> None:
        """Those who wait already are told again, whatever they may expect by now."""
        books = self.books
        for ticket in self._asked:
            if not ticket.admitted and ticket.id in books.tickets:
                lane = lane_of(books, ticket.lane)
                flow = books.flow(ticket.band, ticket.agent, lane.name)
                found = predict(books, lane, ticket, flow, queued=True)
                self._tell_expected(lane, ticket, flow, found)

    def _tell_expected(
        self, lane: LaneState, ticket: Ticket, flow: Flow, found: Prediction
    ) -> None:
        """What a waiting ticket can expect.

        A wait of which nothing is known but its cause has that cause.
        """
        books, limit = self.books, (found.kind, found.name, found.dimension)
        if found.wait_us == 0 and ticket.why[0]:
            limit = ticket.why
        left_us = ticket.deadline_us - books.now_us
        ahead = ahead_of(books, lane, ticket, flow)
        event = ["w", ticket.id, found.position, found.wait_us, *limit, left_us, ahead]
        books.tell(ticket.replica, event)

    def _note_books(self) -> None:
        """What the books say once a call is over is what the provider may say of its tickets."""
        for ticket in self.books.fresh:
            lane = self.books.lanes[ticket.lane]
            ticket.levels, ticket.held = list(lane.level), list(lane.held)
            ticket.corrected, ticket.epoch = list(lane.corrected), lane.epoch

    def _inspect(self, scope: Any, with_queue: Any) -> LaneSnapshot | BudgetSnapshot:
        kind, name = scope.split(":", 1)
        if kind == "lane":
            return snapshot_lane(self.books, name, queue=with_queue == 1)
        return snapshot_budget(self.books, scope)

    # --- arrivals -----------------------------------------------------------------------------

    def _arrive(self, id_: str, lane_name: str, *fields: Any) -> None:
        """A ticket asks to be admitted. Sent again, it is told again what became of it."""
        books = self.books
        if id_ in books.tickets:
            self._say_again(books.tickets[id_])
            return
        agent, team, band, weight, charge, max_wait_us, fingerprint, is_retry = fields
        ticket = Ticket(
            id=id_,
            lane=lane_name,
            agent=agent,
            team=team,
            band=band,
            weight=weight,
            charge=list(charge),
            replica=books.caller,
            arrived_us=books.now_us,
            deadline_us=books.now_us + max_wait_us,
            fingerprint=fingerprint,
        )
        lane = lane_of(books, lane_name)
        books.touch_lane(lane_name)
        if not self._pass_through(lane, ticket):
            self._queue_up(lane, ticket, retry=is_retry == 1)

    def _pass_through(self, lane: LaneState, ticket: Ticket) -> bool:
        """Nobody waits here, or for these budgets: the ticket need not be queued to be served.

        Returns whether it was dealt with.
        """
        books = self.books
        if any(lane.active) or any(budget.groups for budget in budgets_of(books, ticket)):
            return False
        flow = books.flow(ticket.band, ticket.agent, lane.name)
        if flow.count:
            return False
        tag = max(lane.virtual[ticket.band - 1], flow.tag)
        verdict = judge(books, lane, ticket, tag, ticket.band, lending=False)
        if isinstance(verdict, Refuse):
            refuse(books, ticket, verdict)
            return True
        if not isinstance(verdict, Serve):
            return False
        flow.tag, flow.weight = tag, ticket.weight
        lane.sequence += 1
        ticket.sequence = lane.sequence
        admit(books, lane, ticket, flow)
        books.tickets[ticket.id] = ticket
        return True

    def _queue_up(self, lane: LaneState, ticket: Ticket, *, retry: bool) -> None:
        books = self.books
        depth = sum(lane.waiting[: ticket.band])  # whoever goes behind it takes no place from it
        if depth >= lane.max_depth:
            flow = books.flow(ticket.band, ticket.agent, lane.name)
            wait_us = predict(books, lane, ticket, flow, queued=False).wait_us
            full = Refuse("queue_full", "lane", lane.name, "rpm", depth, lane.max_depth, wait_us)
            refuse(books, ticket, full)
            return
        place = kept_place(self.books, ticket) if retry else None
        if place is None:
            lane.sequence += 1
        ticket.sequence = lane.sequence if place is None else place.sequence
        books.tickets[ticket.id] = ticket
        enqueue(books, lane, ticket, None if place is None else place.tag)
        self._arrivals.append(ticket)

    def _say_again(self, ticket: Ticket) -> None:
        if ticket.replica != self.books.caller:
            return
        if ticket.admitted:
            grant(self.books, ticket)
        else:
            self.books.touch_lane(ticket.lane)
            self._arrivals.append(ticket)

    def _requeue(self, id_: str, lane_name: str, *fields: Any) -> None:
        """The provider refused the call: everything comes back, but it counted the request.

        Budgets get the request back as well: their agent made one call, whatever we try.
        """
        books = self.books
        ticket = books.tickets.get(id_)
        if ticket is None:
            self._arrive(id_, lane_name, *fields)
            return
        if not ticket.admitted:
            self._say_again(ticket)
            return
        lane, charge = lane_of(books, ticket.lane), ticket.charge
        lanes.settle(lane, charge, [charge[0], 0, 0, 0], lane.holding_us)
        lanes.readmit_one(lane, charge, books.now_us)
        charge_flow(books, lane, ticket, -ticket.cost)
        for budget in budgets_of(books, ticket):
            mean_us = budget.holding_us
            budgets.settle(budget, charge, _NOTHING, ticket.admitted_us, books.now_us, mean_us)
            touch_budget(books, budget)
        ticket.charge, ticket.replica, ticket.cost = list(fields[4]), books.caller, 0
        ticket.refused = lanes.refusing(lane, books.now_us)
        enqueue(books, lane, ticket, 0)
        books.touch_lane(ticket.lane)
        self._arrivals.append(ticket)

    # --- departures ---------------------------------------------------------------------------

    def _cancel(self, id_: str, timed_out: int) -> None:
        """A ticket stops waiting.

        A grant that crosses a cancellation is given back whole; one that crosses a time-out stands.
        """
        books = self.books
        ticket = books.tickets.get(id_)
        if ticket is None:
            if timed_out:
                books.tell(books.caller, ["u", id_])
        elif not ticket.admitted:
            lane = lane_of(books, ticket.lane)
            if timed_out:
                refuse_wait(books, lane, ticket)
            leave(books, lane, ticket)
        elif timed_out:
            grant(books, ticket)
        else:
            self._settle(ticket, _NOTHING)

    def _dismiss(self, id_: str, reason: str, retry_us: int) -> None:
        """An operator ends the wait of a ticket; its place is not kept."""
        books = self.books
        ticket = books.tickets.get(id_)
        if ticket is not None and not ticket.admitted:
            lane = lane_of(books, ticket.lane)
            refuse(books, ticket, Refuse(reason, "lane", lane.name, "rpm", 0, 0, retry_us))
            ticket.fingerprint = ""
            leave(books, lane, ticket)

    def _move(self, id_: str, band: int) -> None:
        """An operator gives a waiting ticket another priority."""
        ticket = self.books.tickets.get(id_)
        if ticket is not None and not ticket.admitted and ticket.band != band:
            move(self.books, lane_of(self.books, ticket.lane), ticket, band)
            self._asked.append(ticket)

    def _settle_one(self, id_: str, _: str, actual: list[int]) -> None:
        """An admitted ticket ends. Sent again, nothing happens."""
        ticket = self.books.tickets.get(id_)
        if ticket is not None and ticket.admitted:
            self._settle(ticket, actual)

    def _settle(self, ticket: Ticket, actual: Sequence[int]) -> None:
        books = self.books
        lane = lane_of(books, ticket.lane)
        counted = actual[0] > 0  # what never ran says nothing of how long calls run
        held_us = books.now_us - ticket.admitted_us
        lanes.settle(lane, ticket.charge, actual, held_us if counted else lane.holding_us)
        cost = cost_of(lane, list(actual)) if counted else 0
        charge_flow(books, lane, ticket, cost - ticket.cost)
        for budget in budgets_of(books, ticket):
            mean_us = held_us if counted else budget.holding_us
            budgets.settle(budget, ticket.charge, actual, ticket.admitted_us, books.now_us, mean_us)
            touch_budget(books, budget)
        books.touch_lane(ticket.lane)
        del books.tickets[ticket.id]

    # --- in between ---------------------------------------------------------------------------

    def _head(self, id_: str, lane_name: str, seen: Sequence[Sequence[int]]) -> None:
        """What a provider's answer said of limits and of what is left of them."""
        books = self.books
        lane, ticket = lane_of(books, lane_name), books.tickets.get(id_)
        if ticket is not None and ticket.lane != lane_name:
            ticket = None
        lanes.hear(lane, ticket, seen)
        books.touch_lane(lane_name)

    def _amend(self, id_: str, _: str, charge: list[int]) -> None:
        """More has become known of what a waiting ticket will take."""
        books = self.books
        ticket = books.tickets.get(id_)
        if ticket is None or ticket.admitted or ticket.replica != books.caller:
            return
        recharge(books, lane_of(books, ticket.lane), ticket, list(charge))

    def _extend(self, id_: str, _: str, output: int) -> None:
        """A running answer outgrew its reservation."""
        books = self.books
        ticket = books.tickets.get(id_)
        if ticket is None or not ticket.admitted:
            return
        charge = ticket.charge
        lane = lane_of(books, ticket.lane)
        lanes.grow(lane, charge, [charge[0], charge[1], output, charge[1] + output])
        extra = output - charge[5]
        if extra > 0:
            for budget in budgets_of(books, ticket):
                budgets.grow(budget, extra)
            charge[5] = output

    def _block(self, lane_name: str, numbers: Sequence[int], for_us: int) -> None:
        """A provider's 429 stops the dimensions that it names."""
        lane = lane_of(self.books, lane_name)
        for number in numbers:
            lanes.block(lane, number, self.books.now_us + for_us, self.books.now_us)
        self.books.touch_lane(lane_name)

    def _unblock(self, lane_name: str) -> None:
        lanes.unblock(lane_of(self.books, lane_name), self.books.now_us)
        self.books.touch_lane(lane_name)

    def _pause(self, lane_name: str) -> None:
        lane_of(self.books, lane_name).paused = True
        self.books.touch_lane(lane_name)

    def _resume(self, lane_name: str) -> None:
        lane_of(self.books, lane_name).paused = False
        self.books.touch_lane(lane_name)

    def _beat(self, ids: Sequence[str]) -> None:
        """The caller lives, and believes that these tickets of its own wait: it is told of each."""
        books = self.books
        for id_ in ids:
            ticket = books.tickets.get(id_)
            if ticket is None:
                books.tell(books.caller, ["u", id_])
            elif not ticket.admitted:
                books.touch_lane(ticket.lane)
                if len(self._asked) < TOLD_AT_ONCE:
                    self._asked.append(ticket)
            elif ticket.replica == books.caller:
                grant(books, ticket)

    def _audit(self, after: str) -> None:
        """The caller compares the tickets named with its own, a few at a time."""
        books = self.books
        ids = [ticket.id for ticket in self._tickets_of(books.caller)]
        named = [id_ for id_ in ids if id_.encode() > after.encode()][:AUDITED]
        if named:
            books.tell(books.caller, ["o", "" if len(named) < AUDITED else named[-1], named])

    def _disown(self, id_: str) -> None:
        """The caller knows nothing of a ticket that the store holds for it.

        A call that was lost on its way arrived after its ticket had ended, or the store went back
        to a time before that.
        """
        ticket = self.books.tickets.get(id_)
        if ticket is not None and ticket.replica == self.books.caller:
            self._give_up(ticket)

    def _hello(self, again: int = 0, blind_us: int = 0) -> None:
        """A replica that is not known.

        If it was once, lanes that are not known either begin low, and such budgets begin blind.
        """
        self.books.cautious = again == 1
        self.books.blind_us = blind_us

    def _tick(self, lane_name: str) -> None:
        self.books.touch_lane(lane_name)

    def _configure(self, scope: str, to: dict[str, Any], stamp: Sequence[int] = UNSTAMPED) -> None:
        configure(self.books, scope, to, stamp)

    @staticmethod
    def _nothing(*_: Any) -> None:
        """Dealt with elsewhere in the run."""
