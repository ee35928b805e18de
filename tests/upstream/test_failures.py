"""From library exceptions to facts about the provider."""

import socket
import ssl

import pytest

from gateway.domain.outcome import FailurePhase, Reason, UpstreamFailure
from gateway.upstream import failures


@pytest.mark.parametrize(
    ("failure", "reason", "phase", "sent"),
    [
        (
            failures.unreachable(ConnectionRefusedError(111, "Connection refused"), "h:1"),
            Reason.UPSTREAM_CONNECT,
            FailurePhase.CONNECT,
            False,
        ),
        (
            failures.unreachable(socket.gaierror(-2, "Name or service not known"), "h:1"),
            Reason.UPSTREAM_CONNECT,
            FailurePhase.CONNECT,
            False,
        ),
        (
            failures.unreachable(ssl.SSLError(1, "wrong version"), "h:1"),
            Reason.UPSTREAM_CONNECT,
            FailurePhase.TLS,
            False,
        ),
        (
            failures.not_connected_in_time("h:1", 2.5, queued=False),
            Reason.UPSTREAM_TIMEOUT,
            FailurePhase.CONNECT,
            False,
        ),
        (
            failures.timed_out(FailurePhase.SEND, "silent"),
            Reason.UPSTREAM_TIMEOUT,
            FailurePhase.SEND,
            True,
        ),
        (
            failures.cut(FailurePhase.BODY, ConnectionResetError()),
            Reason.UPSTREAM_CUT,
            FailurePhase.BODY,
            True,
        ),
    ],
)
def test_a_failure_says_what_where_and_whether_anything_was_sent(
    failure: UpstreamFailure, reason: Reason, phase: FailurePhase, sent: bool
) -> None:
    assert (failure.reason, failure.phase, failure.sent) == (reason, phase, sent)
    assert str(failure)
