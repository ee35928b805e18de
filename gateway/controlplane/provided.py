"""What the control plane works with: ports and facts, handed in once by the composition root.

Apart from `parts`, so that building it does not import FastAPI.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from gateway.core.price_table import Price
from gateway.core.routing.ledger import RouteLedger
from gateway.domain.overrides import Collection
from gateway.domain.routes import Route
from gateway.domain.topology import Provider
from gateway.ports import (
    Accounts,
    Audit,
    Books,
    Breakers,
    Clock,
    Configuration,
    Directory,
    Explanations,
    Keys,
    Replays,
    Steering,
    Tokens,
)

PriceOf: TypeAlias = Callable[[Provider, str, float], tuple[Price, bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminParts:
    """Everything outside the control plane that it uses.

    Attributes:
        token: The configured bearer token, which may do everything.
        version: Of the gateway, for the API's description.
        ledger: What is known of the routes.
        resume: Puts a route that was returned to shadow back into its mode; raises `StoreSilent`.
        price_of: (provider, model, epoch seconds) → its price, and whether it is known.
        origins: Of web pages that may use it from a browser.
        document_schemas: Of the items that can be edited.
    """

    token: str = field(repr=False)
    version: str
    books: Books
    directory: Directory
    explanations: Explanations
    clock: Clock
    audit: Audit
    breakers: Breakers
    tokens: Tokens
    replays: Replays
    accounts: Accounts
    price_of: PriceOf
    ledger: RouteLedger
    resume: Callable[[Route], Awaitable[None]]
    configuration: Configuration
    keys: Keys
    steering: Steering
    origins: Sequence[str]
    document_schemas: Mapping[Collection, Mapping[str, Any]]
