"""Marks prompts for their provider's cache, for agents with cache assistance (docs/caching.md).

A head that is new may be the first of many which start together. Its call waits for a moment: if
others follow with the same head, it is marked like theirs, and one of them goes ahead for all.

Failure policy: what cannot be marked goes as it came. A call that its provider refuses for what was
added is sent again without, and the agent's calls to that model are left alone for an hour.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from gateway.core.caching import LIFETIME_S, Beginnings, Marks, cache_key
from gateway.core.convoy import ConvoySettings
from gateway.core.estimate import EstimateBook
from gateway.dialects.codec import Codec, Outline
from gateway.domain.caches import HeadSeen
from gateway.domain.call import CallFacts, Priority
from gateway.domain.topology import Agent
from gateway.ports import Clock

from .body import decoded
from .call import Call
from .session import session_of

log = logging.getLogger("gateway.dataplane")

REFUSED_S = 3_600.0
"""So long nothing is added after a provider has refused it."""
MAX_REFUSED = 1_000
"""Of agents and models; beyond, the oldest refusal is forgotten."""
MAX_REFUSED = 1_000
_ADDED = (b"cache_control", b"prompt_cache_key")


class Marker:
    """Remembers what agents sent, and marks what they will probably send again."""

    def __init__(
        self, book: EstimateBook, clock: Clock, settings: ConvoySettings, max_body_bytes: int
    ) -> None:
        self._book = book
        self._clock = clock
        self._settings = settings
        self._max_body_bytes = max_body_bytes
        self._beginnings = Beginnings()
        self._tell: Callable[[HeadSeen], None] | None = None
        self._refused: dict[tuple[str, str], float] = {}

    def listen(self, tell: Callable[[HeadSeen], None]) -> None:
        """From now on, tell the other replicas of new heads."""
        self._tell = tell

    def hear(self, seen: HeadSeen) -> None:
        """Another replica tells of one."""
        now = self._clock.monotonic()
        self._beginnings.heard(seen.agent, seen.model, seen.digest, now)

    async def mark(self, call: Call, codec: Codec, agent: Agent, facts: CallFacts) -> CallFacts:
        """Give a call a body that its provider caches; the facts of that one.

        Raises:
            Refused: The body cannot be decoded.
        """
        if self._refused and self._leaves_alone(agent.name, facts.model):
            return facts
        body = call.body
        if not call.body_changed:
            body = decoded(call.request, body, self._max_body_bytes)
        outline = codec.outline(call.matched, body)
        if outline is not None:
            return await self._marked(call, codec, agent, facts, body, outline)
        session = session_of(call.request.fields, facts)
        if session is None:
            return facts
        changed = codec.with_cache_key(call.matched, body, cache_key(agent.name, session))
        if changed is body:
            return facts
        # The name decides where the cache is, so the cuts are others now.
        cuts = codec.read(call.matched, changed).prefixes
        call.assisted, call.facts = changed, replace(facts, prefixes=cuts)
        return call.facts

    def refused(self, call: Call, error: bytes) -> bool:
        """Whether a provider's error is about what was added here; it is then taken away.

        Args:
            call: Was answered with an error.
            error: Its (decoded) body.
        """
        if call.assisted is None or not any(added in error for added in _ADDED):
            return False
        call.assisted = None
        if call.agent is not None and call.facts is not None and len(self._refused) < MAX_REFUSED:
            name, model = call.agent.name, call.facts.model
            self._refused[(name, model)] = self._clock.monotonic() + REFUSED_S
            if len(self._refused) > MAX_REFUSED:
                del self._refused[next(iter(self._refused))]
            log.warning("calls of %s to %s are not marked for a while: refused", name, model)
        return True

    def _leaves_alone(self, agent: str, model: str) -> bool:
        until = self._refused.get((agent, model))
        if until is not None and until <= self._clock.monotonic():
            del self._refused[(agent, model)]
            return False
        return until is not None

    async def _marked(
        self,
        call: Call,
        codec: Codec,
        agent: Agent,
        facts: CallFacts,
        body: bytes,
        outline: Outline,
    ) -> CallFacts:
        name, model, now = agent.name, facts.model, self._clock.monotonic()
        least = self._book.prompt_bytes(name, model, outline.least_tokens)
        marks = self._beginnings.marks(name, model, outline.head, outline.cuts, least, now)
        if not marks and await self._has_company(call, agent, facts, outline):
            marks = Marks(head=True)
        if not marks:
            return facts
        changed = codec.with_marks(
            call.matched, body, head=marks.head, stem=marks.stem, tail=marks.tail
        )
        if changed is body:
            return facts
        # The cuts are those without marks: a text that was made a block is a text again later.
        cuts = marks.cuts(outline.head, outline.cuts)
        call.assisted = changed
        call.facts = replace(facts, prefixes=cuts, cache_lifetime_s=int(LIFETIME_S))
        return call.facts

    async def _has_company(
        self, call: Call, agent: Agent, facts: CallFacts, outline: Outline
    ) -> bool:
        """Wait for a moment, where that may save much; whether others have the same head."""
        head, settings = outline.head, self._settings
        tokens = max(outline.least_tokens, settings.least_tokens)
        if (
            head is None
            or head.prompt_bytes < self._book.prompt_bytes(agent.name, facts.model, tokens)
            or settings.gather_s <= 0
            or call.priority is Priority.URGENT
        ):
            return False
        if self._tell is not None:
            self._tell(HeadSeen(agent.name, facts.model, head.digest))
        loop = asyncio.get_running_loop()
        moment: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(settings.gather_s, moment.set_result, None)
        try:
            await moment
        finally:
            timer.cancel()
        call.held_s += settings.gather_s
        call.wait_s += settings.gather_s
        return self._beginnings.again(agent.name, facts.model, head, self._clock.monotonic())
