"""What every refusal carries, in every dialect (design.md, section 8)."""

import pytest

from gateway.dialects.registry import CODECS
from gateway.domain.call import Dialect, Endpoint, Matched
from gateway.domain.outcome import Reason, Refusal


@pytest.mark.parametrize("seconds", [None, 0.0, 3.0, 1e6])
@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("reason", Reason)
def test_a_429_or_503_says_when_and_a_hard_stop_says_so(
    reason: Reason, dialect: Dialect, seconds: float | None
) -> None:
    refusal = Refusal(reason, "No.", seconds)
    reply = CODECS[dialect].refuse(Matched(Endpoint.PASSTHROUGH), refusal, "req_1")
    headers = dict(reply.headers)
    if reply.status in {429, 503}:
        assert int(headers[b"retry-after"]) >= 1
    assert (headers.get(b"x-should-retry") == b"false") is refusal.disposition.final
