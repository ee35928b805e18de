"""What sessions show: how long they run, how their context grows, and what of it is kept."""

from prometheus_client import CollectorRegistry, Gauge

from gateway.domain.facts import SessionOver, TurnFollowed

from . import declared
from .tallies import Spread, Tally


class SessionMetrics:
    """Implements `gateway.ports.SessionObserver`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        length = Spread(declared.SESSION_LENGTH, registry)
        calls = Spread(declared.SESSION_CALLS, registry)
        growth = Spread(declared.CONTEXT_GROWTH, registry)
        retained = Spread(declared.CONTEXT_RETAINED, registry)
        shrunk = Tally(declared.CONTEXT_SHRUNK, registry)
        self._length, self._calls = length.bins(), calls.bins()
        self._growth, self._retained = growth.bins(), retained.bins()
        self._shrunk = shrunk.cell()
        self._all = (length, calls, growth, retained, shrunk)
        self._open = Gauge(
            declared.SESSIONS_OPEN.name,
            declared.SESSIONS_OPEN.meaning,
            registry=registry,
            multiprocess_mode="mostrecent",
        )

    def turn_followed(self, turn: TurnFollowed) -> None:
        """Compare a turn with the one before it."""
        grown = turn.prompt_tokens - turn.prompt_tokens_before
        if grown < 0:
            self._shrunk.amount += 1
        else:
            self._growth.observe(grown)
        before = turn.prompt_tokens_before + turn.output_tokens_before
        self._retained.observe(min(1.0, turn.prompt_tokens / before))

    def session_over(self, session: SessionOver) -> None:
        """A session is over."""
        self._length.observe(session.wall_s)
        self._calls.observe(session.calls)

    def sessions_open(self, count: int) -> None:
        """So many run, at all replicas."""
        self._open.set(count)

    def hand_over(self) -> None:
        """Give the library what is new."""
        for one in self._all:
            one.hand_over()
