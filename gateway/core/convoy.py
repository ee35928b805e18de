"""Which call is on its way to put a prefix into a provider's cache, and who had better wait for it.

A cache entry exists only once the first answer that writes it *begins* (provider-facts A5). Twenty
sub-agents that start at once on one prefix of 50,000 tokens all send it cold, unless nineteen let
one go ahead. That one leads the prefix from its arrival until its answer begins:

    leads ──▶ its answer begins ──┬─ and reads or writes a cache: the prefix is warm, all go
                                  └─ and does not: all go, and it is not waited for again for a while
      └────▶ it fails or leaves:   all are woken; the first of them leads, the others wait for it

There are no locks: replicas tell each other who leads, and two that begin at the same instant cost
one more cold prompt. Nobody waits for longer than `hold_s` in all; nobody waits while it leads, so
no two calls can wait for each other; and nobody waits for a call of a lower priority, which may
itself have to wait for long.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from gateway.domain.caches import End
from gateway.domain.call import Priority, PromptPrefix
from gateway.domain.value import value

Place: TypeAlias = tuple[str, str]
"""Where a cache is: account and model."""
Key: TypeAlias = tuple[Place, bytes]

USELESS_S = 60.0
"""So long a prefix is not waited for that an answer did not put into a cache."""
ELSEWHERE_S = 120.0
"""So long a call of another replica may lead; its end may never be heard of."""
MAX_USELESS = 10_000
_BANDS = {Priority.URGENT: 0, Priority.NORMAL: 1, Priority.BACKGROUND: 2}


@dataclass(frozen=True, slots=True)
class ConvoySettings:
    """For whom it is worth waiting.

    Attributes:
        hold_s: How long a call waits at most; 0: nobody waits.
        gather_s: How long a call with a new beginning waits to see whether others have it, too.
        least_tokens: Tokens that must be alike, and not be in a cache yet.
    """

    hold_s: float = 20.0
    gather_s: float = 0.1
    least_tokens: int = 4096


@value
class Lead:
    """A call that leads.

    Attributes:
        name: Of the call.
        place: Where the cache is.
        digests: The cuts of its prompt that it leads.
        priority: Its band.
        until: When it is no longer believed; monotonic seconds.
    """

    name: str
    place: Place
    digests: tuple[bytes, ...]
    priority: Priority
    until: float


class Leads:
    """Who leads what, as far as this replica knows. Times are seconds of one clock."""

    def __init__(self) -> None:
        self._by_key: dict[Key, Lead] = {}
        self._by_name: dict[str, Lead] = {}
        self._useless: OrderedDict[Key, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_name)

    def ahead(
        self,
        place: Place,
        cuts: Sequence[PromptPrefix],
        cold_from: int,
        priority: Priority,
        now: float,
    ) -> Lead | None:
        """The call to wait for: that which leads the longest cut of this prompt.

        Args:
            place: Where the prompt goes.
            cuts: Its cuts, the shortest first.
            cold_from: Shorter cuts, in bytes, are not worth waiting for.
            priority: Of the call that asks.
            now: When.
        """
        for cut in reversed(cuts):
            if cut.prompt_bytes < cold_from:
                return None
            found = self._by_key.get((place, cut.digest))
            if found is None:
                continue
            if found.until <= now:
                self.end(found.name, End.FAILED, now)
            elif _BANDS[found.priority] <= _BANDS[priority]:
                return found
        return None

    def lead(
        self, lead: Lead, cuts: Iterable[PromptPrefix], cold_from: int, now: float
    ) -> Lead | None:
        """Let a call lead what nobody else does; `None` if that is nothing."""
        free = tuple(
            cut.digest
            for cut in cuts
            if cut.prompt_bytes >= cold_from and self._is_free((lead.place, cut.digest), now)
        )
        if not free:
            return None
        found = Lead(lead.name, lead.place, free, lead.priority, lead.until)
        self.hear(found, now)
        return found

    def hear(self, lead: Lead, now: float) -> None:
        """A call leads, here or at another replica. The first one that was heard of stays."""
        while self._by_name and (oldest := next(iter(self._by_name.values()))).until <= now:
            self.end(oldest.name, End.FAILED, now)
        if lead.name in self._by_name:
            return
        self._by_name[lead.name] = lead
        for digest in lead.digests:
            self._by_key.setdefault((lead.place, digest), lead)

    def end(self, name: str, how: End, now: float) -> Lead | None:
        """A call no longer leads; `None` if it did not."""
        lead = self._by_name.pop(name, None)
        if lead is None:
            return None
        for digest in lead.digests:
            key = (lead.place, digest)
            if self._by_key.get(key) is lead:
                del self._by_key[key]
            if how is End.COLD:
                self._useless[key] = now + USELESS_S
                self._useless.move_to_end(key)
        while len(self._useless) > MAX_USELESS:
            self._useless.popitem(last=False)
        return lead

    def _is_free(self, key: Key, now: float) -> bool:
        return key not in self._by_key and self._useless.get(key, 0.0) <= now
