"""Budgets in tables: of agents and of teams."""

from typing import Any

from .output import emit_table
from .wording import moment, origin, whole

HEADINGS = ("RPM", "TPM", "AT ONCE", "USD TODAY", "USD THIS MONTH", "MODE", "ORIGIN")
_ONE = ("LIMIT", "IN FORCE", "USED", "LEFT", "ORIGIN", "UNTIL")
_RANKS = ("temporary", "runtime", "file", "environment", "default")
_DOLLARS = ("usd_per_day", "usd_per_month")


def cells(one: Any) -> tuple[str, ...]:
    """What is used of each limit, of how much, and the origin that counts most."""
    return (
        *(_used(limit) for limit in one["limits"]),
        one["budget"]["mode"],
        _origin(one["limits"]),
    )


def show_limits(one: Any) -> None:
    """Print each limit of a budget."""
    emit_table(
        _ONE,
        (
            (
                limit["dimension"],
                "none" if limit["limit"] is None else _amount(limit, limit["limit"]),
                _amount(limit, limit["used"]),
                "-" if limit["left"] is None else _amount(limit, limit["left"]),
                origin(limit),
                moment(limit["until"]),
            )
            for limit in one["limits"]
        ),
    )


def _used(limit: Any) -> str:
    used = _amount(limit, limit["used"])
    return used if limit["limit"] is None else f"{used}/{_amount(limit, limit['limit'])}"


def _amount(limit: Any, value: float) -> str:
    return f"{value:,.2f}" if limit["dimension"] in _DOLLARS else whole(value)


def _origin(limits: Any) -> str:
    counted = [one for one in limits if one["limit"] is not None or one["origin"] == "runtime"]
    ranked = sorted({one["origin"] for one in counted} or {_RANKS[-1]}, key=_RANKS.index)
    if ranked[0] in {"temporary", "runtime"}:
        named = ", ".join(one["dimension"] for one in counted if one["origin"] == ranked[0])
        return f"{ranked[0]} ({named})"
    return str(ranked[0])
