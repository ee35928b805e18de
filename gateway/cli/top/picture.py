"""How `gateway top` draws a look: plain functions from data to what rich prints."""

from collections import Counter
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gateway.cli.wording import seconds, whole

from .looking import Look, tokens

_BAR = 20
_BLOCKS = " ▏▎▍▌▋▊▉█"
_PRIORITY_STYLES = {"urgent": "bold red", "normal": "", "background": "dim"}


def picture(look: Look, width: int, height: int | None, fault: str | None = None) -> RenderableType:
    """Everything, in as many lines as there are.

    Args:
        look: What is shown.
        width: Columns; narrow terminals do without some.
        height: Lines; `None` shows all agents and waiting calls.
        fault: Why the picture is old, if it is.
    """
    lanes = _lanes(look, wide=width >= 100)
    agents_room, waiting_room = _rooms(look, height, lanes.row_count)
    parts: list[RenderableType] = [_headline(look, fault), lanes]
    if look.queue:
        parts.append(_queue(look, waiting_room))
    parts.append(_agents(look, agents_room, wide=width >= 100))
    return Group(*parts)


def _rooms(look: Look, height: int | None, lane_lines: int) -> tuple[int, int]:
    """How many agents and waiting calls fit; half of the room each, at least a few."""
    if height is None:
        return len(look.agents), len(look.queue)
    left = max(8, height - lane_lines - 10)
    waiting = min(len(look.queue), max(left // 2, left - len(look.agents)), left - 3)
    return max(3, left - waiting), max(3, waiting)


def _headline(look: Look, fault: str | None) -> Text:
    in_flight = sum(lane["in_flight"] for lane in look.lanes)
    cost = sum(row["cost_microusd"] for row in look.agents) / 1e6
    line = Text.assemble(
        ("agent-gateway ", "bold"),
        (look.url, "cyan"),
        f"   {in_flight} in flight, {look.waiting} waiting, ",
        (f"${cost:,.2f}", "bold green"),
        " today",
    )
    if fault is not None:
        line.append(f"\n{fault.splitlines()[0]}", style="bold red")
    return line


def _table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    table = Table(box=None, header_style="bold dim", padding=(0, 2, 0, 0), pad_edge=False)
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", no_wrap=True)
    return table


def _lanes(look: Look, *, wide: bool) -> Table:
    table = _table(
        *("\nLANE", "\nLIMIT", "\nUSED", "\nOF", "\nA MINUTE"),
        *(("\nIN FLIGHT", "\nWAITING U/N/B", "\nSTATE") if wide else ("\nSTATE",)),
        right=("\nOF", "\nA MINUTE", "\nIN FLIGHT"),
    )
    for lane in look.lanes:
        limits = [limit for limit in lane["limits"] if limit["limit"] is not None]
        shown = limits or [None]
        for number, limit in enumerate(shown):
            first = number == 0
            table.add_row(
                lane["name"] if first else "",
                *_limit(look, lane["name"], limit),
                *((_in_flight(lane), _bands(lane)) if wide and first else ("", "") if wide else ()),
                _state(lane) if first else Text(""),
            )
    return table


def _limit(look: Look, lane: str, limit: Any) -> tuple[RenderableType, ...]:
    if limit is None:
        return Text("none known yet", style="dim"), "", "", ""
    used = _used(limit)
    pace = look.pace(lane, limit["dimension"])
    return (
        limit["dimension"],
        Text.assemble(_bar(used), f" {used:4.0%}"),
        whole(limit["limit"]),
        "" if pace is None else whole(pace),
    )


def _used(limit: Any) -> float:
    level, capacity = float(limit["level"]), float(limit["capacity"])
    return min(1.0, max(0.0, 1.0 - level / capacity)) if capacity else 0.0


def _bar(share: float) -> Text:
    eighths = round(share * _BAR * 8)
    full, rest = divmod(eighths, 8)
    drawn = "█" * full + (_BLOCKS[rest] if rest else "")
    style = "red" if share >= 0.98 else "yellow" if share >= 0.8 else "green"
    return Text.assemble((drawn.ljust(_BAR), f"{style} on grey15"))


def _in_flight(lane: Any) -> str:
    most = lane["concurrency"]
    return str(lane["in_flight"]) if most is None else f"{lane['in_flight']}/{most}"


def _bands(lane: Any) -> Text:
    waiting = lane["waiting"]
    text = "/".join(str(waiting[band]) for band in ("urgent", "normal", "background"))
    return Text(text, style="" if any(waiting.values()) else "dim")


def _state(lane: Any) -> Text:
    if lane["paused"]:
        return Text("paused", style="bold magenta")
    blocked = [limit["dimension"] for limit in lane["limits"] if limit["blocked_until"]]
    if lane["blocked_until"]:
        return Text(f"blocked until {lane['blocked_until'][11:19]}Z", style="bold red")
    if blocked:
        return Text(f"provider said wait ({', '.join(blocked)})", style="bold red")
    held = [band for band, dimension in lane["saturated"].items() if dimension is not None]
    if held:
        return Text(f"holds back {', '.join(held)}", style="yellow")
    return Text("open", style="green")


def _queue(look: Look, room: int) -> Table:
    table = _table(
        *("\nNEXT", "\nAGENT", "\nPRIORITY", "\nLANE", "\nWAITED", "\nTO GO", "\nWAITS FOR"),
        right=("\nNEXT", "\nWAITED", "\nTO GO"),
    )
    for call in look.queue[:room]:
        bound = call["bound"]
        table.add_row(
            str(call["position"]),
            call["agent"],
            Text(call["priority"], style=_PRIORITY_STYLES[call["priority"]]),
            call["lane"],
            seconds(call["waited_s"]),
            seconds(call["eta_s"]),
            "its turn" if bound is None else _bound(bound),
        )
    if look.waiting > room:
        table.add_row("", Text(f"and {look.waiting - room} more", style="dim"))
    return table


def _bound(bound: Any) -> str:
    """Whose limit keeps a call back, shorter than in a sentence."""
    whose = {"lane": "the lane's", "band": "its band's", "agent": "its own", "team": "its team's"}
    return f"{whose[bound['scope']]} {bound['dimension']}"


def _agents(look: Look, room: int, *, wide: bool) -> Table:
    waiting = Counter(call["agent"] for call in look.queue)
    most = ("\nFROM CACHE", "\nREFUSED") if wide else ()
    table = _table(
        *("\nAGENT", "\nTOKENS A MINUTE", "\nCALLS TODAY", "\nTOKENS", "\nCOST"),
        *most,
        "\nWAITING",
        right=(
            *("\nTOKENS A MINUTE", "\nCALLS TODAY", "\nTOKENS", "\nCOST", "\nFROM CACHE"),
            *("\nREFUSED", "\nWAITING"),
        ),
    )
    ranked = sorted(
        look.agents, key=lambda row: (-(look.pace(row["agent"]) or 0), -row["cost_microusd"])
    )
    for row in ranked[:room]:
        name = row["agent"]
        pace = look.pace(name)
        table.add_row(
            name,
            "" if pace is None else whole(pace),
            whole(row["calls"]),
            whole(tokens(row)),
            f"${row['cost_microusd'] / 1e6:,.2f}",
            *((_from_cache(row), whole(row["refused"])) if wide else ()),
            str(waiting[name]) if waiting[name] else "",
        )
    if len(ranked) > room:
        table.add_row(Text(f"and {len(ranked) - room} more", style="dim"))
    if not ranked:
        table.add_row(Text("nobody has called today", style="dim"))
    return table


def _from_cache(row: Any) -> str:
    prompt = row["input_tokens"] + row["cache_read_tokens"] + row["cache_write_tokens"]
    return f"{row['cache_read_tokens'] / prompt:.0%}" if prompt else "-"
