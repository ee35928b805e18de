"""What was seen: of each call by its client, its provider and the store. Judged by `checks`."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.core.admission.messages import Operation
from gateway.core.admission.state import Books
from gateway.domain.admission import Admitted, Verdict

from .replica import Job

MISLEADING = {"store_old", "store_empty"}
"""Faults after which the store may take an ended ticket for a new one."""


@dataclass(slots=True)
class CallRecord:
    """One ticket.

    Attributes:
        granted_s: When the store admitted it, by the real clock; again after each requeue.
        counted_us: The same of the last time, by the store's clock.
        arrived_s, ended_s: At the provider, by the real clock.
        settled_us: When the store settled it, by the store's clock.
        expired: The store gave it up with its replica.
    """

    job: Job
    replica: str
    granted_s: list[float] = field(default_factory=list)
    counted_us: int = 0
    arrived_s: float | None = None
    ended_s: float | None = None
    output_tokens: int = 0
    settled_us: int | None = None
    expired: bool = False
    requeues: int = 0
    admissions: int = 0


@dataclass(frozen=True, slots=True)
class Loss:
    """The store went back in time."""

    at_s: float
    at_us: int
    age_s: float


class Record:
    """Implements `store.Witness` and `replica.Calls`."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.calls: dict[str, CallRecord] = {}
        self.losses: list[Loss] = []
        self.faults: list[tuple[float, str]] = []
        self.shifts: list[tuple[float, float]] = []
        self.verdicts: Counter[str] = Counter()
        self.lateness: list[tuple[float, str]] = []
        self.findings: list[str] = []
        self._admitted: dict[str, None] = {}
        self._replicas = 0
        self.now_us = 0

    def find(self, what: str) -> None:
        """Something is wrong."""
        self.findings.append(f"[{self._loop.time():.3f} s] {what}")

    def fault(self, kind: str) -> None:
        """Something was done to the system."""
        self.faults.append((self._loop.time(), kind))

    # --- the store's witness ------------------------------------------------------------------

    def call_ran(
        self, replica: str, operations: Sequence[Operation], before: Sequence[str], books: Books
    ) -> None:
        self.now_us = books.now_us
        for ticket in before:
            self._admitted.pop(ticket, None)
            self.calls[ticket].settled_us = books.now_us
        for op in operations:
            if op[0] == "requeue":
                self.calls[str(op[1])].requeues += 1
        for admitted in books.fresh:
            self._granted(admitted.id, books.now_us)
        if len(books.replicas) < self._replicas:
            self._note_expired(books)
        self._replicas = len(books.replicas)

    def _granted(self, ticket: str, now_us: int) -> None:
        call = self.calls[ticket]
        call.granted_s.append(self._loop.time())
        call.counted_us = now_us
        self._admitted[ticket] = None
        if any(kind in MISLEADING for _, kind in self.faults):
            return  # it is admitted again, until the next audit disowns it
        if call.settled_us is not None:
            self.find(f"{ticket} was admitted after it was settled")
        elif len(call.granted_s) > 1 + call.requeues and not call.expired:
            self.find(f"{ticket} was admitted twice")

    def _note_expired(self, books: Books) -> None:
        for ticket in [id_ for id_ in self._admitted if id_ not in books.tickets]:
            del self._admitted[ticket]
            self.calls[ticket].expired = True

    def store_lost(self, age_s: float) -> None:
        self.losses.append(Loss(self._loop.time(), self.now_us, age_s))
        self._admitted.clear()

    # --- calls --------------------------------------------------------------------------------

    def asked(self, job: Job, replica: str) -> None:
        self.calls[job.request.ticket] = CallRecord(job, replica)

    def answered(self, job: Job, verdict: Verdict, after_s: float) -> None:
        call = self.calls[job.request.ticket]
        if isinstance(verdict, Admitted):
            call.admissions += 1
            if call.admissions > 1 + call.requeues:
                self.find(f"{job.request.ticket} was told twice that it is admitted")
        self.verdicts["admitted" if isinstance(verdict, Admitted) else verdict.reason.value] += 1
        self.lateness.append((after_s - job.request.max_wait_s, job.request.ticket))

    def arrived(self, job: Job) -> None:
        self.calls[job.request.ticket].arrived_s = self._loop.time()

    def ended(self, job: Job, output_tokens: int) -> None:
        call = self.calls[job.request.ticket]
        call.ended_s, call.output_tokens = self._loop.time(), output_tokens
