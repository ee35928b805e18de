"""Which conversation a call belongs to, and what was decided for it.

A session id alone does not name a conversation: Claude Code sends one id with its main loop, its
sub-agents, its titles and its summaries (provider-facts A9). What keeps them apart is how they
begin, so the digest of the first user message goes into the name; a compacted conversation begins
anew, and with it the cache and the decision. Who names a session in `x-gateway-session` means it,
and gets it, sub-agents apart.
"""

from collections import OrderedDict
from hashlib import blake2b

from gateway.domain.routes import Arm, Choice, Why
from gateway.domain.value import value

MAX_PINS = 50_000
PIN_LIFETIME_S = 6 * 3_600.0
"""From its last call on. Longer than any prompt cache lives."""
_DIGEST_BYTES = 12


@value
class Pin:
    """What was decided for a conversation.

    Attributes:
        route: The policy that decided.
        choice: What it decided.
        why: Why.
        arm: Where the conversation is counted.
        escalated: It was taken back, which holds for good.
        troubled: Something went wrong in it already.
        until: Epoch seconds.
    """

    route: str
    choice: Choice
    why: Why
    arm: Arm
    escalated: bool = False
    troubled: bool = False
    until: float = 0.0


def conversation(
    agent: str, route: str, *, named: str = "", session: str = "", branch: str = "", opening: bytes
) -> str:
    """The name of a call's conversation; empty if there is nothing to know it by.

    Args:
        agent: Who is calling.
        route: The policy that matches.
        named: `x-gateway-session`.
        session: A session id that the client sends by itself.
        branch: The id of a sub-agent.
        opening: The digest of the first user message.
    """
    if not (named or session or opening):
        return ""
    digest = blake2b(digest_size=_DIGEST_BYTES)
    parts = [agent, route, branch, named or session]
    digest.update("\0".join(parts).encode("utf-8", "replace"))
    if not named:
        digest.update(b"\0" + opening)
    return digest.hexdigest()


def in_share(conversation_name: str, share: float) -> bool:
    """Whether a conversation falls into a share of all; the same on every replica."""
    digest = blake2b(conversation_name.encode(), digest_size=8, person=b"holdout").digest()
    return int.from_bytes(digest, "big") < share * 2**64


class Pins:
    """The pins that this replica knows: the least recently used go first."""

    def __init__(self, most: int = MAX_PINS) -> None:
        self._most = most
        self._pins: OrderedDict[str, Pin] = OrderedDict()

    def get(self, name: str, now: float) -> Pin | None:
        """What was decided for a conversation. `now` is in epoch seconds."""
        pin = self._pins.get(name)
        if pin is None:
            return None
        if pin.until <= now:
            del self._pins[name]
            return None
        self._pins.move_to_end(name)
        return pin

    def put(self, name: str, pin: Pin) -> None:
        """Remember a decision, in place of any earlier one."""
        self._pins[name] = pin
        self._pins.move_to_end(name)
        if len(self._pins) > self._most:
            self._pins.popitem(last=False)

    def hear(self, name: str, pin: Pin) -> None:
        """Another replica has decided: an escalation wins, and else the first decision."""
        mine = self._pins.get(name)
        if mine is None or pin.escalated or (pin.troubled and not mine.escalated):
            self.put(name, pin)

    def __len__(self) -> int:
        return len(self._pins)
