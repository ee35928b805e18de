"""Where a prompt is worth a mark for the provider's cache.

A mark makes the provider write what comes before it into its cache, for a quarter more than the
price of input; reading it later costs a tenth, and with Anthropic nothing of the rate limit
(provider-facts A4, A5). So what is never sent again must not be marked. What will be is guessed
from what was: a head (tools and system prompt) that this agent has sent before will be sent again,
messages that were sent before are shared by a conversation's turns or by its branches, and a
conversation that goes on will go on.
"""

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b

from gateway.domain.call import PromptPrefix
from gateway.domain.facts import Session
from gateway.domain.value import value

LIFETIME_S = 300.0
"""Of a cache entry that is not used (provider-facts A5); what was seen is remembered for as long."""
MAX_SEEN = 50_000
"""A call has two dozen at most."""
_END = b"end"
_KEY_BYTES = 16


@value
class Marks:
    """Where to put marks.

    Attributes:
        head: Behind tools and system prompt.
        stem: Behind the last message that was sent before, in this conversation or in one that it
            comes from: so many messages follow. `None`: there is none.
        tail: Behind the newest message of the user.
    """

    head: bool = False
    stem: int | None = None
    tail: bool = False

    def __bool__(self) -> bool:
        return self.head or self.tail or self.stem is not None

    def cuts(
        self, head: PromptPrefix | None, cuts: Sequence[PromptPrefix]
    ) -> tuple[PromptPrefix, ...]:
        """Those of a prompt's cuts at which there is a mark, and so an entry in the cache."""
        wanted = (
            head if self.head else None,
            None if self.stem is None else cuts[-1 - self.stem],
            cuts[-1] if self.tail else None,
        )
        return tuple(cut for cut in wanted if cut is not None)


@value
class _Seen:
    """So often, and remembered until then."""

    times: int
    until: float


class Beginnings:
    """What agents sent not long ago: heads, and where conversations ended."""

    def __init__(self, most: int = MAX_SEEN) -> None:
        self._most = most
        self._found: OrderedDict[tuple[str, str, bytes], _Seen] = OrderedDict()

    def __len__(self) -> int:
        return len(self._found)

    def marks(
        self,
        agent: str,
        model: str,
        head: PromptPrefix | None,
        cuts: Sequence[PromptPrefix],
        least_bytes: int,
        now: float,
    ) -> Marks:
        """Where a call's prompt is worth a mark; the call is remembered.

        Args:
            agent: Who is calling.
            model: Which model.
            head: The end of tools and system prompt; `None` where there is neither.
            cuts: All cuts, the shortest first; the last is the end of the prompt.
            least_bytes: The provider caches nothing shorter.
            now: Monotonic seconds.
        """
        in_head = 0 if head is None else head.prompt_bytes
        stem, tail = None, False
        for after, cut in enumerate(reversed(cuts[:-1]), 1):
            if cut.prompt_bytes <= in_head:
                break
            if stem is None and self._seen((agent, model, cut.digest), now):
                stem = after
            tail = tail or self._seen((agent, model, _END + cut.digest), now)
        if stem is not None and cuts[-1 - stem].prompt_bytes < least_bytes:
            stem = None
        stable = head is not None and self._seen((agent, model, head.digest), now)
        for cut in cuts:
            self._note((agent, model, cut.digest), now)
        self._note((agent, model, _END + cuts[-1].digest), now)
        return Marks(
            head=stable and in_head >= least_bytes,
            stem=stem,
            tail=tail and cuts[-1].prompt_bytes >= least_bytes,
        )

    def heard(self, agent: str, model: str, digest: bytes, now: float) -> None:
        """Another replica has seen a head."""
        self._note((agent, model, digest), now)

    def again(self, agent: str, model: str, head: PromptPrefix, now: float) -> bool:
        """Whether a head was sent more than once."""
        found = self._found.get((agent, model, head.digest))
        return found is not None and found.times > 1 and found.until > now

    def _seen(self, key: tuple[str, str, bytes], now: float) -> bool:
        found = self._found.get(key)
        return found is not None and found.until > now

    def _note(self, key: tuple[str, str, bytes], now: float) -> None:
        found = self._found.get(key)
        times = found.times if found is not None and found.until > now else 0
        self._found[key] = _Seen(times + 1, now + LIFETIME_S)
        self._found.move_to_end(key)
        if len(self._found) > self._most:
            self._found.popitem(last=False)


def cache_key(agent: str, session: Session) -> str:
    """A name for the conversation of an agent, which tells nobody who or what it is."""
    parts = "\0".join((agent, session.id, session.thread))
    return blake2b(parts.encode("utf-8", "replace"), digest_size=_KEY_BYTES).hexdigest()
