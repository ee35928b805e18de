"""Agents in tables."""

from typing import Any

from gateway.cli import budget_tables
from gateway.cli.output import emit

HEADINGS = ("AGENT", "TEAM", "PRIORITY", "WEIGHT", *budget_tables.HEADINGS)


def row(one: Any) -> tuple[str, ...]:
    """One agent in the list."""
    return (
        one["name"],
        one["team"] or "-",
        one["priority"],
        f"{one['weight']:g}",
        *budget_tables.cells(one),
    )


def show_one(one: Any) -> None:
    """Print one agent."""
    from gateway.cli.wording import moment, whole

    team = f" of team {one['team']}" if one["team"] else ""
    emit(f"{one['name']}{team}: {one['priority']}, weight {one['weight']:g}")
    emit(f"May call: {', '.join(one['models'])}; budget {one['budget']['mode']}")
    used, held = one["used"], one["held"]
    emit(
        f"{used['in_flight']} in flight, holding {whole(held['input_tokens'])} + "
        f"{whole(held['output_tokens'])} tokens; {whole(one['spent_tokens'])} tokens used so far"
    )
    item = one["configuration"]
    if item is None:
        emit("Known by its key only: it has no settings of its own.")
    elif item["changed_at"]:
        emit(f"Changed while running by {item['changed_by']}, {moment(item['changed_at'])}")
    budget_tables.show_limits(one)
