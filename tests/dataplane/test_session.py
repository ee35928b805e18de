"""Which conversation a call belongs to, as its client says."""

import pytest

from gateway.dataplane.session import session_of
from gateway.domain.call import CallFacts
from gateway.domain.facts import Session


@pytest.mark.parametrize(
    ("fields", "in_body", "session"),
    [
        ({}, None, None),
        ({}, "conv-1", Session("conv-1")),
        ({b"x-gateway-session": b"mine"}, "conv-1", Session("mine")),
        ({b"x-claude-code-session-id": b"cc-1"}, None, Session("cc-1")),
        (
            {b"x-claude-code-session-id": b"cc-1", b"x-claude-code-agent-id": b"sub"},
            None,
            Session("cc-1", "sub"),
        ),
        ({b"session-id": b"codex-1", b"thread-id": b"t-2"}, "key", Session("codex-1", "t-2")),
        ({b"session_id": b"codex-0"}, None, Session("codex-0")),
        ({b"x-gateway-session": b"\xe9" * 500}, None, Session("é" * 128)),
        ({}, "x" * 500, Session("x" * 128)),
    ],
)
def test_the_session_comes_from_a_header_or_else_from_the_body(
    fields: dict[bytes, bytes], in_body: str | None, session: Session | None
) -> None:
    assert session_of(fields, CallFacts("m", session=in_body)) == session
    if in_body is None:
        assert session_of(fields, None) == session
