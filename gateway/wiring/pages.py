"""Pages for operators: is the process alive, can it admit, what are its figures."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from gateway.dataplane.app import Operation, Page
from gateway.telemetry.metrics import CONTENT_TYPE, Metrics
from gateway.telemetry.stored import StoredFigures

TEXT = b"text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether calls can be admitted.

    Attributes:
        note: Why not, or what is different for now.
    """

    admits: bool
    note: str = ""


def pages(
    metrics: Metrics, stored: StoredFigures, readiness: Callable[[], Awaitable[Readiness]]
) -> Mapping[str, Operation]:
    """Operations pages by path.

    Args:
        metrics: Rendered for `/metrics`.
        stored: What the store adds to them.
        readiness: For `/readyz`.
    """

    async def alive() -> Page:
        return Page(200, TEXT, b"ok\n")

    async def ready() -> Page:
        found = await readiness()
        if not found.admits:
            return Page(503, TEXT, f"not ready: {found.note}\n".encode())
        if found.note:
            return Page(200, TEXT, f"ready, but degraded: {found.note}\n".encode())
        return Page(200, TEXT, b"ready\n")

    async def figures() -> Page:
        return Page(200, CONTENT_TYPE, metrics.render(await stored.read()))

    async def front() -> Page:
        return Page(200, TEXT, b"agent-gateway\n")

    return {"/healthz": alive, "/readyz": ready, "/metrics": figures, "/": front}
