"""Names of replicas and requests."""

import secrets
from collections.abc import Iterator
from itertools import count


def replica_id() -> str:
    """A name for this worker, unique over all replicas and restarts."""
    return secrets.token_hex(4)


def request_ids(replica: str) -> Iterator[str]:
    """Request ids: unique, short, and telling which replica served the call."""
    prefix = f"req_{replica}"
    return (f"{prefix}{number:08x}" for number in count(1))
