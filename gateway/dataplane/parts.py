"""What the data plane works with: ports and settings, handed in once by the composition root."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from gateway.core.estimate import EstimateBook
from gateway.core.pricing import Cost
from gateway.core.retrying import Chance, RetryBudgets
from gateway.core.routing.ledger import RouteLedger
from gateway.core.routing.score import Score
from gateway.domain.call import CallFacts
from gateway.domain.facts import Trace
from gateway.domain.signals import Signals
from gateway.domain.topology import Provider
from gateway.domain.usage import Usage
from gateway.ports import Admission, Clock, Directory, HeadroomObserver, Observer, Upstream

from .gates import Gates
from .settings import DataPlaneSettings

if TYPE_CHECKING:
    from .convoy import Convoy
    from .marking import Marker

Pricer: TypeAlias = Callable[[Provider, Sequence[str], Usage, float], Cost]
"""(provider, names of the model, usage, epoch seconds) → cost."""

Scorer: TypeAlias = Callable[[Signals, CallFacts], Score]
"""How simple a call looks."""
Tracer: TypeAlias = Callable[[Mapping[bytes, bytes]], Trace]
"""Header fields of a request → its place in a trace."""


@dataclass(frozen=True, slots=True)
class Assistance:
    """For agents with cache assistance."""

    marker: "Marker"
    convoy: "Convoy"


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything outside the data plane that it uses."""

    directory: Directory
    admission: Admission
    upstream: Upstream
    observer: Observer
    headroom: HeadroomObserver
    tracer: Tracer | None
    """Gives a call its place in a trace; `None`: calls are not traced."""
    clock: Clock
    price: Pricer
    book: EstimateBook
    gates: Gates
    request_ids: Iterator[str]
    chance: Chance
    budgets: RetryBudgets
    ledger: RouteLedger
    settings: DataPlaneSettings
    assistance: Assistance
    scorers: Mapping[str, Scorer] = field(default_factory=dict)
    """Trained scorers, by the file that a route names."""
