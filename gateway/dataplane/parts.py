"""What the data plane works with: ports and settings, handed in once by the composition root."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from gateway.core.estimate import EstimateBook
from gateway.core.pricing import Cost
from gateway.core.retrying import Chance
from gateway.domain.topology import Provider
from gateway.domain.usage import Usage
from gateway.ports import Admission, Clock, Directory, HeadroomObserver, Observer, Upstream

from .settings import DataPlaneSettings

Pricer: TypeAlias = Callable[[Provider, Sequence[str], Usage, float], Cost]
"""(provider, names of the model, usage, epoch seconds) → cost."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything outside the data plane that it uses."""

    directory: Directory
    admission: Admission
    upstream: Upstream
    observer: Observer
    headroom: HeadroomObserver
    clock: Clock
    price: Pricer
    book: EstimateBook
    request_ids: Iterator[str]
    chance: Chance
    settings: DataPlaneSettings
