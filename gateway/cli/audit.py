"""`gateway audit`: who has changed what, when, from what to what."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .failing import Failure
from .items import leaves
from .moments import read_past
from .nouns import noun
from .options import AsJson, Config, GatewayUrl
from .output import emit, emit_json, emit_table, say

if TYPE_CHECKING:
    from .admin_access import AdminApi

app = noun("Who has changed what, when, from what to what.")

_HEADINGS = ("WHEN", "WHO", "ROLE", "ACTION", "SUBJECT", "CHANGE", "REQUEST")
_PAUSE_S = 1.0
_PAGE = 1000
_LONGEST = 90


@app.callback()
def audit() -> None:
    """Who has changed what, when, from what to what."""  # makes it a noun, whose verbs are one


@app.command("list")
def list_(  # noqa: PLR0913, PLR0917 - options of a command
    subject: Annotated[
        str | None,
        typer.Argument(metavar="[SUBJECT]", help="Only of this: lanes/sonnet, or all lanes."),
    ] = None,
    actor: Annotated[str | None, typer.Option("--actor", help="Only by this token's name.")] = None,
    action: Annotated[str | None, typer.Option("--action", help="Such as lanes.pause.")] = None,
    request: Annotated[
        str | None, typer.Option("--request", metavar="ID", help="Only of this request.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", parser=read_past, metavar="TIME", help="24h, 7d, or a time."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", parser=read_past, metavar="TIME", help="Up to then.")
    ] = None,
    most: Annotated[int, typer.Option("--limit", min=1, help="The newest so many.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as more happens.")] = False,
    export: Annotated[
        Path | None,
        typer.Option(
            "--export", metavar="FILE", help="Write all that fits as JSON lines; -: here."
        ),
    ] = None,
    config: Config = None,
    url: GatewayUrl = None,
    as_json: AsJson = False,
) -> None:
    """List changes, oldest first."""
    from .admin_access import admin_api

    api = admin_api(config, url)
    wanted = {
        "subject": subject,
        "actor": actor,
        "action": action,
        "request_id": request,
        "since": since,
        "until": until,
    }
    if export is not None:
        _export(api.text("audit/export", **wanted), export)
        return
    found = _newest(api, wanted, most)
    if follow:
        _follow(api, wanted, found, as_json=as_json)
    elif as_json:
        emit_json(found)
    elif found:
        emit_table(_HEADINGS, (_row(one) for one in found))
    else:
        say("Nothing of that kind was changed.")


def _newest(api: "AdminApi", wanted: dict[str, str | None], most: int) -> list[Any]:
    """The newest entries, oldest first."""
    found: list[Any] = []
    before: str | None = None
    while len(found) < most:
        page = api.get("audit", **wanted, limit=min(most - len(found), _PAGE), before=before)
        found += page["items"]
        before = page["next_before"]
        if before is None:
            break
    return found[::-1]


def _follow(
    api: "AdminApi", wanted: dict[str, str | None], known: list[Any], *, as_json: bool
) -> None:
    """Print entries as they come, until somebody interrupts."""
    for one in known:
        _print(one, as_json=as_json)
    last = known[-1] if known else None
    while True:
        time.sleep(_PAUSE_S)
        for one in _since(api, wanted, last):
            _print(one, as_json=as_json)
            last = one


def _since(api: "AdminApi", wanted: dict[str, str | None], last: Any) -> list[Any]:
    """Entries after the last one, oldest first."""
    narrowed = wanted if last is None else {**wanted, "since": last["at"]}
    found = api.get("audit", **narrowed, limit=_PAGE)["items"][::-1]
    return [one for one in found if last is None or _order(one) > _order(last)]


def _order(entry: Any) -> tuple[int, ...]:
    return tuple(int(part) for part in entry["id"].split("-"))


def _print(entry: Any, *, as_json: bool) -> None:
    if as_json:
        emit_json(entry, indent=None)
    else:
        emit("  ".join(_row(entry)))


def _export(text: str, file: Path) -> None:
    if str(file) == "-":
        emit(text.rstrip("\n")) if text else None
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failure(f"{file} cannot be written: {error.strerror}") from None
    say(f"{text.count(chr(10))} entries are in {file}.")


def _row(entry: Any) -> tuple[str, ...]:
    change = ", ".join(_changes(entry["before"], entry["after"]))
    return (
        f"{entry['at'][:10]} {entry['at'][11:19]}Z",
        entry["actor"],
        entry["role"],
        entry["action"],
        entry["subject"],
        change if len(change) <= _LONGEST else f"{change[:_LONGEST]}...",
        entry["request_id"],
    )


def _changes(before: Any, after: Any) -> Iterator[str]:
    """What differs, a setting each."""
    if not isinstance(before, dict | None) or not isinstance(after, dict | None):
        yield f"{_plain(before)} -> {_plain(after)}"
        return
    old, new = dict(leaves(before or {})), dict(leaves(after or {}))
    if before is None or after is None:
        told = (f"{path} {_plain(value)}" for path, value in (new or old).items() if value)
        yield " ".join(("made" if before is None else "was", ", ".join(told))).rstrip()
        return
    for path in {**old, **new}:
        if old.get(path) != new.get(path):
            yield f"{path} {_plain(old.get(path))} -> {_plain(new.get(path))}"


def _plain(value: Any) -> str:
    return "-" if value is None else value if isinstance(value, str) else json.dumps(value)
