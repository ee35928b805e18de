"""What can be edited while the gateway runs: one item of a collection, and its way back.

The admin API has one way to change, reset and delete agents, teams, lanes and providers, and so has
the command line.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from .completing import names_of
from .confirming import confirm, tell_dry_run, will_be
from .failing import ExitCode, Failure
from .options import AsJson, Config, DryRun, GatewayUrl, Yes
from .output import emit, emit_json, emit_table, say

if TYPE_CHECKING:
    from .admin_access import AdminApi

ONE = {"agents": "agent", "teams": "team", "lanes": "lane", "providers": "provider"}
_HEADINGS = ("SETTING", "BEFORE", "NOW")


@dataclass(frozen=True)
class Edited:
    """An item before and after an edit, as `configuration` of the admin API.

    Attributes:
        before: `None` if it was not configured.
    """

    before: Any
    after: Any


def place(collection: str, name: str, act: str = "") -> str:
    """The path of an item in the admin API."""
    return f"{collection}/{quote(name, safe='')}{act}"


def edit(
    api: "AdminApi", collection: str, name: str, patch: Mapping[str, Any], *, dry_run: bool
) -> Edited:
    """Change some settings of an item, or make it.

    Raises:
        Failure: It cannot be so, or nothing is to be changed.
    """
    if not patch:
        raise Failure(f"say what to set of {name}; see --help.", ExitCode.USAGE)
    found = api.find(place(collection, name))
    before = found if found is None else found.get("configuration", found)
    method, body = ("PATCH", patch) if before else ("PUT", without_nulls(patch))
    dry = "true" if dry_run else None
    return Edited(before, api.change(method, place(collection, name), body, dry_run=dry))


def tell_edit(edited: Edited, collection: str, *, dry_run: bool, as_json: bool) -> None:
    """Show what an edit did, or would do."""
    if as_json:
        emit_json(edited.after)
    else:
        name, rows = edited.after["name"], list(_changes(edited))
        if edited.before is None:
            say(f"The {ONE[collection]} {name} is new.")
        if rows:
            emit_table(_HEADINGS, rows)
        else:
            say(f"The {ONE[collection]} {name} is so already.")
    tell_dry_run(dry_run=dry_run)


def add_ends(app: typer.Typer, collection: str) -> None:
    """Add the verbs `reset` and `delete` of a collection."""
    one = ONE[collection]
    name_ = Annotated[
        str,
        typer.Argument(
            metavar=one.upper(), help=f"The {one}'s name.", autocompletion=names_of(collection)
        ),
    ]

    @app.command(help=f"Let the {one} be as the file has it: undo what was set while running.")
    def reset(
        name: name_,
        yes: Yes = False,
        dry_run: DryRun = False,
        config: Config = None,
        url: GatewayUrl = None,
        as_json: AsJson = False,
    ) -> None:
        from .admin_access import admin_api

        api = admin_api(config, url)
        path = f"config/overrides/{place(collection, name)}"
        confirm(f"Undo all that was set of {one} {name} while running?", yes=yes or dry_run)
        undone = api.change("DELETE", path, dry_run="true" if dry_run else None)
        if as_json:
            emit_json(undone)
        else:
            emit(f"{one} {name} {will_be(dry_run=dry_run)} as the file has it.")
        tell_dry_run(dry_run=dry_run)

    @app.command(help=f"Delete the {one}, whatever the file says, until it is set again or reset.")
    def delete(
        name: name_,
        yes: Yes = False,
        dry_run: DryRun = False,
        config: Config = None,
        url: GatewayUrl = None,
        as_json: AsJson = False,
    ) -> None:
        from .admin_access import admin_api

        api = admin_api(config, url)
        confirm(f"Delete {one} {name}?", yes=yes or dry_run)
        api.change("DELETE", place(collection, name), dry_run="true" if dry_run else None)
        if as_json:
            emit_json({"deleted": f"{collection}/{name}"})
        else:
            emit(f"{one} {name} {will_be(dry_run=dry_run)} deleted.")
        tell_dry_run(dry_run=dry_run)


def without_nulls(document: Mapping[str, Any]) -> dict[str, Any]:
    """A merge patch as a document of its own."""
    return {
        name: without_nulls(value) if isinstance(value, Mapping) else value
        for name, value in document.items()
        if value is not None
    }


def leaves(document: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Values by their paths."""
    for name, value in document.items():
        inner = f"{path}.{name}" if path else name
        if isinstance(value, Mapping):
            yield from leaves(value, inner)
        else:
            yield inner, value


def _changes(edited: Edited) -> Iterator[tuple[str, str, str]]:
    from .wording import as_written

    before = {} if edited.before is None else dict(leaves(edited.before["settings"]))
    for path, now in leaves(edited.after["settings"]):
        if path not in before or before[path] != now:
            yield path, as_written(before.get(path)), as_written(now)
