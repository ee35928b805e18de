"""A store that does not answer, as the ports tell it."""

from collections.abc import Iterator
from contextlib import contextmanager

from gateway.ports import StoreSilent

from .connection import FAILURES


@contextmanager
def silence_told() -> Iterator[None]:
    """Errors of redis-py and the network become `StoreSilent`."""
    try:
        yield
    except FAILURES as error:  # a TimeoutError is an OSError
        raise StoreSilent(str(error) or "no answer in time") from error
