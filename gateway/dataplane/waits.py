"""What one call waited for: made when it first has to wait, so that others do not pay for it."""

from gateway.domain.admission import Bound, Expectation
from gateway.domain.explanation import Wait

MAX_WAITS = 20
"""Causes may alternate each second; beyond so many changes the last one goes on."""
MAX_AHEAD = 5


class Waits:
    """The waits of one call, cause by cause.

    Times are seconds after the call was accepted.

    Attributes:
        expected: What the call was told last, and when.
    """

    __slots__ = ("_ahead", "_began_s", "_first", "_past", "_told_again", "expected")

    def __init__(self) -> None:
        self._past: list[Wait] = []
        self._first: Expectation | None = None
        self._began_s = 0.0
        self._ahead: list[str] = []
        self._told_again = False
        self.expected: tuple[Expectation, float] | None = None

    def tell(self, expectation: Expectation, began_s: float, now_s: float) -> None:
        """The call waits and can expect this; the present wait for a turn began at `began_s`."""
        self.expected = (expectation, now_s)
        if self._first is None:
            self._open(expectation, began_s)
        elif _cause(expectation.bound) != _cause(self._first.bound):
            if len(self._past) < MAX_WAITS - 1:
                self._close(self._first.bound, now_s)
                self._open(expectation, now_s)
        else:
            self._told_again = True
        ahead = expectation.ahead
        if ahead is not None and ahead not in self._ahead and len(self._ahead) < MAX_AHEAD:
            self._ahead.append(ahead)

    def end(self, bound: Bound | None, now_s: float) -> None:
        """The present wait is over.

        Args:
            bound: What it last waited for, as the queue saw it. That is better known than what was
                predicted once, at the beginning.
            now_s: The end.
        """
        if self._first is not None:
            predicted = self._first.bound
            self._close(predicted if bound is None or self._told_again else bound, now_s)
        self.expected = None

    def all(self) -> tuple[Wait, ...]:
        """Those that are over."""
        return tuple(self._past)

    def _open(self, expectation: Expectation, at_s: float) -> None:
        self._first, self._began_s, self._told_again = expectation, at_s, False
        self._ahead = []

    def _close(self, bound: Bound, now_s: float) -> None:
        first = self._first
        if first is None:
            return
        self._first = None
        self._past.append(
            Wait(
                scope=bound.scope,
                name=bound.name,
                dimension=bound.dimension,
                from_s=self._began_s,
                for_s=now_s - self._began_s,
                position=first.position,
                predicted_s=first.wait_s,
                ahead=tuple(self._ahead),
            )
        )


def _cause(bound: Bound) -> tuple[str, str, str]:
    return bound.scope, bound.name, bound.dimension
