"""What sessions show: how long they run, how their context grows, and what of it is kept.

A session is what a client calls one (`x-gateway-session`, or the session headers of its CLI). Its
sub-agents and housekeeping calls have contexts of their own, told apart by thread and model. Only
the numbers of the last turn are remembered, of so many sessions at most; one that is pushed out by
newer ones ends there. Each worker knows the turns that it served: where a session's calls are
spread over workers, it counts as one session in each.
"""

from collections import OrderedDict
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Gauge

from gateway.domain.facts import CallRecord, Session

from . import declared
from .tallies import Spread, Tally

MAX_SESSIONS = 10_000
MAX_CONTEXTS = 20_000
IDLE_S = 1800.0
"""A session without a call for so long is over."""


@dataclass(slots=True)
class _Open:
    """A session that runs. Times are seconds of the sessions' own clock."""

    began_s: float
    ended_s: float
    calls: int


class SessionMetrics:
    """Watches the turns of sessions."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._length = Spread(declared.SESSION_LENGTH, registry)
        self._calls = Spread(declared.SESSION_CALLS, registry)
        self._growth = Spread(declared.CONTEXT_GROWTH, registry)
        self._retained = Spread(declared.CONTEXT_RETAINED, registry)
        self._shrunk = Tally(declared.CONTEXT_SHRUNK, registry)
        self._count = Gauge(
            declared.SESSIONS_OPEN.name,
            declared.SESSIONS_OPEN.meaning,
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._open: OrderedDict[tuple[str, str], _Open] = OrderedDict()
        self._contexts: OrderedDict[tuple[str, ...], tuple[int, int]] = OrderedDict()

    def turn(self, record: CallRecord, session: Session, now_s: float) -> None:
        """A call of a session has ended."""
        key = (record.agent, session.id)
        known = self._open.get(key)
        if known is None:
            self._open[key] = _Open(now_s - record.total_s, now_s, 1)
            if len(self._open) > MAX_SESSIONS:
                self._over(self._open.popitem(last=False)[1])
        else:
            known.ended_s = now_s
            known.calls += 1
            self._open.move_to_end(key)
        usage = record.usage
        if usage.exact and usage.prompt_tokens:
            context = (record.agent, session.id, session.thread, record.model)
            self._compare(context, usage.prompt_tokens, usage.output_tokens)

    def hand_over(self, now_s: float) -> None:
        """End what has been idle, and give the library what is new."""
        while self._open:
            oldest = next(iter(self._open.values()))
            if now_s - oldest.ended_s < IDLE_S:
                break
            self._over(self._open.popitem(last=False)[1])
        self._count.set(len(self._open))
        for one in (self._length, self._calls, self._growth, self._retained, self._shrunk):
            one.hand_over()

    def _over(self, session: _Open) -> None:
        self._length.bins().observe(session.ended_s - session.began_s)
        self._calls.bins().observe(session.calls)

    def _compare(self, context: tuple[str, ...], prompt: int, output: int) -> None:
        """This turn of a context with the one before it."""
        before = self._contexts.get(context)
        self._contexts[context] = (prompt, output)
        self._contexts.move_to_end(context)
        if before is None:
            if len(self._contexts) > MAX_CONTEXTS:
                self._contexts.popitem(last=False)
            return
        if prompt < before[0]:
            self._shrunk.cell().amount += 1
        else:
            self._growth.bins().observe(prompt - before[0])
        self._retained.bins().observe(min(1.0, prompt / (before[0] + before[1])))
