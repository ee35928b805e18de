"""`gateway providers`: the accounts that calls go to. Credentials are never shown."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.domain.call import Dialect

from .amounts import Settings, merged, settings_of
from .completing import names_of
from .failing import Failure
from .items import add_ends, edit, leaves, place, tell_edit
from .nouns import noun
from .options import AsJson, Config, DryRun, GatewayUrl, read_name
from .output import emit_json, emit_table, say

app = noun("The accounts that calls go to.")
_HEADINGS = ("PROVIDER", "DIALECT", "BASE URL", "CREDENTIAL", "CHANGED")
_NO_SECRETS = ("none", "passthrough")


@app.command("list")
def list_(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[PROVIDER]", help="Show one.", autocompletion=names_of("providers")
        ),
    ] = None,
    config: Config = None,
    url: GatewayUrl = None,
    as_json: AsJson = False,
) -> None:
    """List providers."""
    from .admin_access import admin_api

    if name is not None:
        show(name, config, url, as_json)
        return
    found = admin_api(config, url).all("providers")
    if as_json:
        emit_json(found)
    else:
        emit_table(_HEADINGS, (_row(one) for one in found))


@app.command()
def show(
    name: Annotated[
        str,
        typer.Argument(metavar="PROVIDER", help="Its name.", autocompletion=names_of("providers")),
    ],
    config: Config = None,
    url: GatewayUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show one provider: every setting and where it comes from."""
    from .admin_access import admin_api
    from .wording import as_written, origin

    found = admin_api(config, url).find(place("providers", name))
    if found is None:
        raise Failure(f"there is no provider {name}.")
    if as_json:
        emit_json(found)
        return
    origins = found["origins"]
    emit_table(
        ("SETTING", "VALUE", "ORIGIN"),
        (
            (path, as_written(value), origin(origins[path]) if path in origins else "-")
            for path, value in leaves(found["settings"])
        ),
    )


@app.command("set")
def set_(  # noqa: PLR0913, PLR0917 - options of a command
    name: Annotated[
        str,
        typer.Argument(
            parser=read_name,
            metavar="PROVIDER",
            help="One that is not there is made.",
            autocompletion=names_of("providers"),
        ),
    ],
    dialect: Annotated[Dialect | None, typer.Option("--dialect", help="Its wire format.")] = None,
    base_url: Annotated[
        str | None,
        typer.Option("--base-url", metavar="URL", help="As the provider's own SDK wants it."),
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option(
            "--api-key",
            metavar="none|passthrough",
            help="No credential, or the caller's own. A key comes from --api-key-file.",
        ),
    ] = None,
    api_key_file: Annotated[
        Path | None,
        typer.Option("--api-key-file", metavar="FILE", help="With the key; -: standard input."),
    ] = None,
    settings: Settings = None,
    dry_run: DryRun = False,
    config: Config = None,
    url: GatewayUrl = None,
    as_json: AsJson = False,
) -> None:
    """Change a provider's settings, everywhere within a second, until they are reset."""
    from .admin_access import admin_api

    patch: dict[str, Any] = {
        "dialect": dialect,
        "base_url": base_url,
        "api_key": _credential(api_key, api_key_file),
    }
    patch = {key: value for key, value in patch.items() if value is not None}
    edited = edit(
        admin_api(config, url), "providers", name, merged(patch, settings_of(settings)),
        dry_run=dry_run,
    )  # fmt: skip
    if "api_key" in patch and edited.before and not as_json:
        say(f"The credential of {name} is replaced.")
    tell_edit(edited, "providers", dry_run=dry_run, as_json=as_json)


add_ends(app, "providers")


def _credential(word: str | None, file: Path | None) -> str | None:
    """The credential; one that is secret never stands on a command line, where others see it."""
    if word is not None and word not in _NO_SECRETS:
        raise typer.BadParameter(
            "is none or passthrough; a key would be seen by others of this machine: write it into "
            "a file and use --api-key-file",
            param_hint="--api-key",
        )
    if file is None:
        return word
    if word is not None:
        raise typer.BadParameter("give either --api-key or --api-key-file")
    try:
        secret = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"cannot read the credential: {error}") from None
    return secret.strip()


def _row(one: Any) -> tuple[str, ...]:
    from .wording import moment

    settings = one["settings"]
    changed = moment(one["changed_at"]) + f" by {one['changed_by']}" if one["changed_at"] else "-"
    return (
        one["name"],
        settings["dialect"],
        settings["base_url"],
        settings["api_key"] or "-",
        changed,
    )
