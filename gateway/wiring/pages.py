"""Pages for operators: is the process alive, can it admit, what are its figures."""

from collections.abc import Awaitable, Callable, Mapping

from gateway.dataplane.app import Operation, Page
from gateway.telemetry.metrics import CONTENT_TYPE, Metrics
from gateway.telemetry.stored import StoredFigures

TEXT = b"text/plain; charset=utf-8"


def pages(
    metrics: Metrics, stored: StoredFigures, can_admit: Callable[[], Awaitable[str | None]]
) -> Mapping[str, Operation]:
    """Operations pages by path.

    Args:
        metrics: Rendered for `/metrics`.
        stored: What the store adds to them.
        can_admit: `None` when calls can be admitted, else why not.
    """

    async def alive() -> Page:
        return Page(200, TEXT, b"ok\n")

    async def ready() -> Page:
        why_not = await can_admit()
        if why_not is None:
            return Page(200, TEXT, b"ready\n")
        return Page(503, TEXT, f"not ready: {why_not}\n".encode())

    async def figures() -> Page:
        return Page(200, CONTENT_TYPE, metrics.render(await stored.read()))

    async def front() -> Page:
        return Page(200, TEXT, b"agent-gateway\n")

    return {"/healthz": alive, "/readyz": ready, "/metrics": figures, "/": front}
