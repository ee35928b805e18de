"""What an answer used, where its provider does not say so, or says what cannot be."""

import msgspec
import pytest

from gateway.dataplane.relay import seen_usage
from gateway.dialects.registry import CODECS
from gateway.domain.call import Dialect
from gateway.domain.usage import Usage

ASKED = b'{"model":"claude-sonnet-5","max_tokens":5,"messages":[]}'


@pytest.mark.parametrize(
    ("told", "used"),
    [
        ({"input_tokens": 3, "output_tokens": 4}, Usage(3, output_tokens=4)),
        ({"input_tokens": 3, "output_tokens": 10**30}, Usage(100, output_tokens=7, exact=False)),
        ({"input_tokens": 2**63, "output_tokens": 1}, Usage(100, output_tokens=7, exact=False)),
        (
            {"output_tokens": 1, "output_tokens_details": {"thinking_tokens": 10**30}},
            Usage(100, output_tokens=7, exact=False),
        ),
        (None, Usage(100, output_tokens=7, exact=False)),
    ],
)
def test_a_provider_is_believed_within_reason(told: object, used: Usage) -> None:
    codec = CODECS[Dialect.ANTHROPIC]
    matched = codec.match("POST", "/v1/messages", b"")
    assert matched is not None
    tap = codec.tap(matched, codec.read(matched, ASKED), "application/json")
    tap.feed(msgspec.json.encode({"type": "message", "model": "claude-sonnet-5"})[:-1])
    tap.feed(b',"usage":%b}' % str(told).replace("'", '"').replace("None", "null").encode())
    tap.finish()
    assert seen_usage(tap, 100, 7) == used
