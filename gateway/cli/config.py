"""`gateway config`: what is in force and why, what was changed while running, and the way back."""

from typing import Annotated, Any

import typer

from .confirming import confirm, tell_dry_run, will_be
from .failing import ExitCode, Failure
from .items import ONE, place
from .nouns import noun
from .options import AsJson, Config, DryRun, GatewayUrl, Yes
from .output import emit, emit_json, emit_table, say
from .setting_rows import SETTING_HEADINGS, setting_rows

app = noun("What is in force and why, what was changed while running, and the way back.")


@app.command()
def show(
    path: Annotated[
        str | None, typer.Argument(metavar="[PATH]", help="Only this part: agents.reviewer.")
    ] = None,
    changed: Annotated[
        bool, typer.Option("--changed", help="Only what is not the default.")
    ] = False,
    config: Config = None,
    url: GatewayUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show every setting in force at the gateway, with where it comes from."""
    from .admin_access import admin_api

    settings = admin_api(config, url).get("config")["settings"]
    if path:
        settings = _within(settings, path)
        if settings is None:
            raise Failure(f"there is no setting {path}.")
    if as_json:
        emit_json(settings)
        return
    rows = (row for row in setting_rows(settings, path or "") if not changed or row[2] != "default")
    emit_table(SETTING_HEADINGS, rows)


@app.command()
def overrides(config: Config = None, url: GatewayUrl = None, as_json: AsJson = False) -> None:
    """List what was changed while running; it wins over the file until it is reset."""
    from .admin_access import admin_api
    from .wording import moment

    found = admin_api(config, url).all("config/overrides")
    if as_json:
        emit_json(found)
    elif found:
        emit_table(
            ("ITEM", "SET", "CHANGED", "BY"),
            (
                (
                    one["item"],
                    "deleted" if one["deleted"] else ", ".join(one["settings"]),
                    moment(one["changed_at"]),
                    one["changed_by"],
                )
                for one in found
            ),
        )
    else:
        say("Nothing was changed while running: all is as the file has it.")


@app.command()
def reload(config: Config = None, url: GatewayUrl = None, as_json: AsJson = False) -> None:
    """Let all replicas read their files again; what was changed while running stays."""
    from .admin_access import admin_api

    done = admin_api(config, url).change("POST", "config:reload")
    if as_json:
        emit_json(done)
        return
    emit("The file is in force.")
    if done["needs_restart"]:
        say(f"At the next start only: {', '.join(done['needs_restart'])}.")


@app.command()
def reset(
    item: Annotated[
        str | None,
        typer.Argument(metavar="[ITEM]", help="COLLECTION/NAME, such as lanes/sonnet."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything.")] = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    config: Config = None,
    url: GatewayUrl = None,
    as_json: AsJson = False,
) -> None:
    """Undo what was set while running, of one item or of all: the file counts again."""
    from .admin_access import admin_api

    path, question = _what(item, everything=everything)
    api = admin_api(config, url)
    confirm(question, yes=yes or dry_run)
    done = api.change("DELETE", path, dry_run="true" if dry_run else None)
    if as_json:
        emit_json(done)
    else:
        for name in done["reset"]:
            emit(f"{name} {will_be(dry_run=dry_run)} as the file has it.")
        if not done["reset"]:
            say("Nothing was changed while running.")
    tell_dry_run(dry_run=dry_run)


def _within(settings: Any, path: str) -> Any:
    """What is at a path, `None`: nothing. Names may hold points themselves."""
    if not isinstance(settings, dict):
        return None
    if path in settings:
        return settings[path]
    starts = (name for name in settings if path.startswith(f"{name}."))
    found = (_within(settings[name], path[len(name) + 1 :]) for name in starts)
    return next((one for one in found if one is not None), None)


def _what(item: str | None, *, everything: bool) -> tuple[str, str]:
    """Path of what is reset, and the question before it."""
    if (item is None) != everything:
        raise Failure("name an item, such as lanes/sonnet, or say --all.", ExitCode.USAGE)
    if item is None:
        return "config/overrides", "Undo all that was set while running?"
    collection, _, name = item.partition("/")
    if collection not in ONE or not name:
        raise Failure(
            f"{item} is no item. Write COLLECTION/NAME with one of {', '.join(ONE)}.",
            ExitCode.USAGE,
        )
    what: Any = place(collection, name)
    return f"config/overrides/{what}", f"Undo all that was set of {item} while running?"
