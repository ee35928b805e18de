"""`gateway check`: is the configuration right, and what is in force?"""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .failing import ExitCode
from .options import AsJson
from .output import emit, emit_json, emit_table, say
from .setting_rows import SETTING_HEADINGS, setting_rows

if TYPE_CHECKING:
    from gateway.config import ConfigError, Settings

app = typer.Typer(add_completion=False)


@app.command()
def check(
    file: Annotated[
        Path | None,
        typer.Argument(help="Without it: gateway.yaml in this folder, or the environment alone."),
    ] = None,
    show: Annotated[
        bool, typer.Option("--show", help="Print every value in force and where it came from.")
    ] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of the file, for editors.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check a configuration: every fault with file, line and field.

    Exits with 0 if it can be used, and with 3 if it has faults.
    """
    from gateway.config import ConfigError, configuration_schema, load, read_environment

    if schema:
        emit_json(configuration_schema())
        return
    try:
        settings = load(file, read_environment())
    except ConfigError as error:
        _tell_faults(error, as_json=as_json)
        raise typer.Exit(ExitCode.CONFIGURATION) from None
    _tell(settings, show=show, as_json=as_json)


def _tell_faults(error: "ConfigError", *, as_json: bool) -> None:
    from .configured import shown

    if as_json:
        emit_json({"ok": False, "faults": [asdict(one) for one in error.faults], "notes": []})
        return
    for fault in error.faults:
        emit(shown(fault))
    count = len(error.faults)
    say(f"{count} fault{'s' if count > 1 else ''}; the configuration cannot be used.")


def _tell(settings: "Settings", *, show: bool, as_json: bool) -> None:
    from gateway.config import effective

    if as_json:
        report: dict[str, object] = {"ok": True, "faults": [], "notes": list(settings.notes)}
        if show:
            report["settings"] = effective(settings)
        emit_json(report)
        return
    if show:
        emit_table(SETTING_HEADINGS, setting_rows(effective(settings)))
    for note in settings.notes:
        say(f"Note: {note}")
    if not show:
        emit(f"{settings.file or 'The environment'}: ok ({_summary(settings)})")


def _summary(settings: "Settings") -> str:
    topology = settings.topology
    counts = (
        ("provider", topology.providers),
        ("lane", topology.lanes),
        ("team", topology.teams),
        ("agent", topology.agents),
    )
    return ", ".join(
        f"{len(items)} {name}{'' if len(items) == 1 else 's'}" for name, items in counts
    )
