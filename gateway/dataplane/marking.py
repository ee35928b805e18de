"""Marks prompts for their provider's cache, for agents with cache assistance (docs/caching.md).

Failure policy: what cannot be marked goes as it came.
"""

from dataclasses import replace

from gateway.core.caching import LIFETIME_S, Beginnings, cache_key
from gateway.core.estimate import EstimateBook
from gateway.dialects.codec import Codec, Outline
from gateway.domain.call import CallFacts
from gateway.domain.topology import Agent
from gateway.ports import Clock

from .body import decoded
from .call import Call
from .session import session_of


class Marker:
    """Remembers what agents sent, and marks what they will probably send again."""

    def __init__(self, book: EstimateBook, clock: Clock, max_body_bytes: int) -> None:
        self._book = book
        self._clock = clock
        self._max_body_bytes = max_body_bytes
        self._beginnings = Beginnings()

    def mark(self, call: Call, codec: Codec, agent: Agent, facts: CallFacts) -> CallFacts:
        """Give a call a body that its provider caches; the facts of that one.

        Raises:
            Refused: The body cannot be decoded.
        """
        body = call.body
        if not call.body_changed:
            body = decoded(call.request, body, self._max_body_bytes)
        outline = codec.outline(call.matched, body)
        if outline is None:
            changed = self._named(call, codec, agent, facts, body)
            if changed is body:
                return facts
            # The name decides where the cache is, so the cuts are others now.
            cuts = codec.read(call.matched, changed).prefixes
            found = replace(facts, prefixes=cuts)
        else:
            changed = self._marked(call, codec, agent, facts, body, outline)
            if changed is body:
                return facts
            # The cuts are those without marks: a text that was made a block is one again later.
            found = replace(facts, prefixes=outline.cuts, cache_lifetime_s=int(LIFETIME_S))
        call.assisted, call.facts = changed, found
        return found

    def _named(
        self, call: Call, codec: Codec, agent: Agent, facts: CallFacts, body: bytes
    ) -> bytes:
        session = session_of(call.request.fields, facts)
        if session is None:
            return body
        return codec.with_cache_key(call.matched, body, cache_key(agent.name, session))

    def _marked(
        self,
        call: Call,
        codec: Codec,
        agent: Agent,
        facts: CallFacts,
        body: bytes,
        outline: Outline,
    ) -> bytes:
        name, model, now = agent.name, facts.model, self._clock.monotonic()
        least = self._book.prompt_bytes(name, model, outline.least_tokens)
        marks = self._beginnings.marks(name, model, outline.head, outline.cuts, least, now)
        if not (marks.head or marks.tail):
            return body
        return codec.with_marks(call.matched, body, head=marks.head, tail=marks.tail)
