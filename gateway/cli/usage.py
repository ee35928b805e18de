"""`gateway usage`: what was used and what it cost, from the accounts of a running gateway."""

from typing import Annotated, Any

import typer

from .options import AsJson, Config, GatewayUrl
from .output import emit, emit_json, emit_table, say

app = typer.Typer(add_completion=False)

_SUMS = ("calls", "refused", "input_tokens", "cache_read_tokens", "cache_write_tokens",
         "output_tokens", "cost_microusd", "unpriced")  # fmt: skip
_HEADINGS = ("CALLS", "REFUSED", "INPUT", "CACHED", "WRITTEN", "OUTPUT", "HIT", "COST", "UNPRICED")
_TAG = "tag"


@app.command()
def usage(  # noqa: PLR0913, PLR0917 - options of a command
    group_by: Annotated[
        str,
        typer.Option(
            "--by", metavar="NAMES", help="agent, team, model, lane, provider, tag; commas between."
        ),
    ] = "agent,model",
    since: Annotated[
        str, typer.Option(metavar="TIME", help="A time, or how long ago: 24h, 7d.")
    ] = "24h",
    until: Annotated[str, typer.Option(metavar="TIME", help="Up to then; empty: now.")] = "",
    bucket: Annotated[
        str, typer.Option(metavar="LENGTH", help="Divide the time: 1h, 6h, 1d.")
    ] = "",
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: AsJson = False,
    config: Config = None,
    url: GatewayUrl = None,
) -> None:
    """Show tokens and cost by agent, team, model, lane, provider or tag."""
    from .admin_access import admin_api

    api = admin_api(config, url)
    query = {"group_by": group_by, "since": since, "until": until, "bucket": bucket}
    if as_csv:
        emit(api.text("usage", **query, format="csv").rstrip("\n"))
        return
    rows = api.all("usage", **query)
    if as_json:
        emit_json(rows)
    elif rows:
        _show(rows, [name.strip() for name in group_by.split(",") if name.strip()], bool(bucket))
    else:
        say(f"Nothing was called in that time (--since {since}).")


def _show(rows: list[Any], names: list[str], timed: bool) -> None:
    names = list(dict.fromkeys(names))
    headings = (*(["START"] if timed else []), *(name.upper() for name in names), *_HEADINGS)
    lines = [
        (
            *([_stamp(row["start"])] if timed else []),
            *(row[name] or "-" for name in names),
            *_figures(row),
        )
        for row in rows
    ]
    if len(rows) > 1 and _TAG not in names:  # a call with two tags stands in two rows
        total = {name: sum(row[name] for row in rows) for name in _SUMS}
        blank = [""] * (len(names) + timed - 1)
        lines.append(("total", *blank, *_figures(total)) if names or timed else _figures(total))
    emit_table(headings, lines)


def _figures(row: Any) -> tuple[str, ...]:
    from .wording import dollars, whole

    read, written = row["cache_read_tokens"], row["cache_write_tokens"]
    prompt = row["input_tokens"] + read + written
    return (
        whole(row["calls"]),
        whole(row["refused"]),
        whole(row["input_tokens"]),
        whole(read),
        whole(written),
        whole(row["output_tokens"]),
        f"{read / prompt:.0%}" if prompt else "-",
        dollars(row["cost_microusd"]),
        whole(row["unpriced"]),
    )


def _stamp(at: str) -> str:
    return f"{at[:10]} {at[11:16]}Z"
