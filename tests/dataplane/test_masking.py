"""The provider's credential in an error body."""

import gzip

import pytest

from gateway.dataplane.masking import masked
from gateway.ports import Headers

KEY = "sk-a-provider-secret"
ERROR = b'{"error":{"message":"Incorrect API key provided: %b."}}' % KEY.encode()
COVERED = b'{"error":{"message":"Incorrect API key provided: %b."}}' % (b"*" * len(KEY))
HEADERS: Headers = [(b"Content-Type", b"application/json"), (b"Content-Length", b"%d" % len(ERROR))]


def test_a_credential_is_covered_and_the_length_stays() -> None:
    assert masked(HEADERS, ERROR, ERROR, KEY) == (HEADERS, COVERED, COVERED)
    assert len(COVERED) == len(ERROR)


def test_in_a_compressed_body_it_is_covered_as_well() -> None:
    headers = [*HEADERS, (b"Content-Encoding", b"gzip")]
    assert masked(headers, gzip.compress(ERROR), ERROR, KEY) == (HEADERS[:1], COVERED, COVERED)


@pytest.mark.parametrize("key", [None, "", "error", "sk-another-secret"])
def test_everything_else_goes_on_as_it_came(key: str | None) -> None:
    packed = gzip.compress(ERROR)
    found = masked(HEADERS, packed, ERROR, key)
    assert found[0] is HEADERS
    assert found[1] is packed
