"""Names that the shell completes, asked of the running gateway.

Failure policy: whatever goes wrong, nothing is completed and nothing is said.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import typer

_PATIENCE_S = 0.5
_MOST = 500

Completing: TypeAlias = Callable[[typer.Context, str], list[str]]


def names_of(collection: str, field: str = "name", /) -> Completing:
    """What completes names of `lanes`, `agents` and so on.

    Args:
        collection: Of the admin API.
        field: Of its items.
    """

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        try:
            found = _asked(ctx.params, collection)
            return [name for name in (one[field] for one in found) if name.startswith(incomplete)]
        except Exception:  # noqa: BLE001 - a shell must not show a traceback in the middle of a line
            return []

    return complete


def _asked(parameters: Any, collection: str) -> list[Any]:
    from .admin_access import admin_api

    api = admin_api(parameters.get("config"), parameters.get("url"))
    found: list[Any] = replace(api, patience_s=_PATIENCE_S).get(collection, limit=_MOST)["items"]
    return found
