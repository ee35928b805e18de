"""How a stage of the pipeline says no: it raises, and the pipeline answers in one place."""

from gateway.domain.outcome import Reason, Refusal


class Refused(Exception):  # noqa: N818 - control flow of one request, caught by the pipeline
    """A stage refuses the call."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def refused(
    reason: Reason, message: str, *, retry_after_s: float | None = None, param: str | None = None
) -> Refused:
    """Short for `Refused(Refusal(...))`."""
    return Refused(Refusal(reason, message, retry_after_s, param))


class ClientGone(Exception):  # noqa: N818 - a fact about the caller
    """The client closed its connection before its request was whole."""
