"""Which conversation a call belongs to, as far as its client says (provider-facts A9, B8)."""

from collections.abc import Mapping

from gateway.domain.call import CallFacts
from gateway.domain.facts import Session

_SESSION_FIELDS = (
    b"x-gateway-session",
    b"x-claude-code-session-id",
    b"session-id",
    b"session_id",
)
"""Our own; Claude Code's; Codex's, which older ones wrote with an underscore."""
_THREAD_FIELDS = (b"x-claude-code-agent-id", b"thread-id")
"""What tells the sub-agents of a session apart."""
_LONGEST = 128


def session_of(fields: Mapping[bytes, bytes], facts: CallFacts | None) -> Session | None:
    """The session of a call, from its header or else from its body; `None` if none is named."""
    name = _first(fields, _SESSION_FIELDS)
    if not name:
        in_body = None if facts is None else facts.session
        return None if not in_body else Session(in_body[:_LONGEST])
    return Session(name, _first(fields, _THREAD_FIELDS))


def _first(fields: Mapping[bytes, bytes], names: tuple[bytes, ...]) -> str:
    for name in names:
        value = fields.get(name)
        if value:
            return value[:_LONGEST].decode("latin-1")
    return ""
