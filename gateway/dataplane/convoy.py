"""Calls that begin alike let one of them go ahead, until the provider has its prompt in the cache.

The rules are in `gateway.core.convoy`; this waits by them, and tells the other replicas.

Failure policy: whoever has waited for `hold_s` goes; a client may leave while its call is held; a
replica that the store does not reach goes by what it knows itself; one that hears of a call of
another replica too late sends one more cold prompt.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from gateway.core.convoy import ELSEWHERE_S, ConvoySettings, Lead, Leads
from gateway.core.estimate import EstimateBook
from gateway.dialects.codec import Tap
from gateway.domain.caches import CacheNews, End
from gateway.domain.call import CallFacts, Dialect, Priority
from gateway.domain.usage import Usage
from gateway.ports import Clock

from .call import Call
from .keepalive import KeepAlive
from .target import Target

_SHORTEST_S = 0.001
"""What is left of a wait and shorter is over."""


class Convoy:
    """Of one worker."""

    def __init__(self, book: EstimateBook, clock: Clock, settings: ConvoySettings) -> None:
        self._book = book
        self._clock = clock
        self._settings = settings
        self._leads = Leads()
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}
        self._tell: Callable[[CacheNews], None] | None = None

    @property
    def held(self) -> int:
        """Calls that wait now."""
        return sum(len(waiting) for waiting in self._waiting.values())

    def listen(self, tell: Callable[[CacheNews], None]) -> None:
        """From now on, tell the other replicas."""
        self._tell = tell

    def hear(self, news: CacheNews) -> None:
        """Another replica tells."""
        now = self._clock.monotonic()
        until = news.until - self._clock.wall() + now
        if news.end is None:
            place = (news.account, news.model)
            until = min(until, now + ELSEWHERE_S)
            self._leads.hear(Lead(news.call, place, news.digests, news.priority, until), now)
            return
        if news.end is End.WARM:
            for digest in news.digests:
                self._book.remember(news.model, digest, until)
        self._over(news.call, news.end, now)

    async def join(
        self, call: Call, facts: CallFacts, target: Target, keepalive: KeepAlive, *, holds: bool
    ) -> "Leading | None":
        """Let another call go ahead, if one is about to put this one's prompt into the cache.

        Only where that saves something: Anthropic does not count what is read from its cache
        against the limit, and answers that begin together cannot read from each other.

        Args:
            call: It.
            facts: Of what goes to the provider.
            target: Where to.
            keepalive: Keeps its client meanwhile.
            holds: It may wait.

        Returns:
            What others wait for, if this call goes ahead itself; to be ended.
        """
        if facts.cache_lifetime_s <= 0 or not facts.prefixes or not _gains(call, target):
            return None
        agent = "" if call.agent is None else call.agent.name
        place = (target.provider.name, target.model)
        least = self._book.prompt_bytes(agent, target.model, self._settings.least_tokens)
        holds = holds and call.priority is not Priority.URGENT
        while True:
            now = self._clock.monotonic()
            cold_from = self._book.warm_bytes(target.model, facts, now) + least
            if facts.prefixes[-1].prompt_bytes < cold_from:
                return None
            left_s = min(self._settings.hold_s - call.held_s, call.max_wait_s - call.wait_s)
            ahead = None
            if holds and left_s > _SHORTEST_S:
                ahead = self._leads.ahead(place, facts.prefixes, cold_from, call.priority, now)
            if ahead is None:
                until = now + facts.cache_lifetime_s
                lead = Lead(call.request_id, place, (), call.priority, until)
                return self._lead(lead, facts, cold_from, now)
            await self._hold(call, ahead, left_s, keepalive)

    def begun(self, lead: Lead, facts: CallFacts, usage: Usage) -> None:
        """The answer to a call that leads has begun, and this is what it reads and writes."""
        now = self._clock.monotonic()
        warm = self._book.begun(lead.place[1], facts, usage, now)
        self.end(lead, End.WARM if warm else End.COLD, warm, now + facts.cache_lifetime_s)

    def end(
        self, lead: Lead, how: End, digests: tuple[bytes, ...] = (), until: float | None = None
    ) -> None:
        """A call no longer leads."""
        now = self._clock.monotonic()
        self._over(lead.name, how, now)
        self._tell_of(lead, digests, now if until is None else until, how)

    def _lead(self, lead: Lead, facts: CallFacts, cold_from: int, now: float) -> "Leading | None":
        leading = self._leads.lead(lead, facts.prefixes, cold_from, now)
        if leading is None:
            return None
        self._tell_of(leading, leading.digests, leading.until, None)
        return Leading(self, leading, facts)

    def _tell_of(
        self, lead: Lead, digests: tuple[bytes, ...], until: float, end: End | None
    ) -> None:
        if self._tell is None:
            return
        until += self._clock.wall() - self._clock.monotonic()
        account, model = lead.place
        self._tell(CacheNews(lead.name, account, model, digests, lead.priority, until, end))

    def _over(self, name: str, how: End, now: float) -> None:
        self._leads.end(name, how, now)
        for waiting in self._waiting.get(name, ()):
            if not waiting.done():
                waiting.set_result(None)

    async def _hold(self, call: Call, ahead: Lead, left_s: float, keepalive: KeepAlive) -> None:
        """Wait until another call's answer begins, it ends, or this one has waited enough."""
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(ahead.name, [])
        waiting.append(over)
        began = self._clock.monotonic()
        call.held_behind = ahead.name
        keepalive.pause()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await over
        finally:
            keepalive.rest()
            held_s = self._clock.monotonic() - began
            call.held_s += held_s
            call.wait_s += held_s
            waiting.remove(over)
            if not waiting and self._waiting.get(ahead.name) is waiting:
                del self._waiting[ahead.name]


class Leading:
    """A call that others wait for, while it does. Ended exactly once, whatever comes of it."""

    __slots__ = ("_convoy", "_facts", "_lead", "_open")

    def __init__(self, convoy: Convoy, lead: Lead, facts: CallFacts) -> None:
        self._convoy = convoy
        self._lead = lead
        self._facts = facts
        self._open = True

    def look(self, tap: Tap) -> None:
        """See whether the provider has said what the call reads and writes."""
        if self._open and (usage := tap.usage) is not None:
            self._open = False
            self._convoy.begun(self._lead, self._facts, usage)

    def end(self) -> None:
        """The call is over; if its answer never began, another one is to lead."""
        if self._open:
            self._open = False
            self._convoy.end(self._lead, End.FAILED)


def _gains(call: Call, target: Target) -> bool:
    dialect = target.provider.dialect
    return dialect is Dialect.ANTHROPIC and call.codec is not None and call.codec.dialect is dialect
