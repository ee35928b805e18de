"""The verbs of `gateway keys`."""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from gateway.cli.confirming import confirm, tell_dry_run, will_be
from gateway.cli.key_names import public_part
from gateway.cli.nouns import noun
from gateway.cli.options import AsJson, Config, DryRun, Yes, read_duration, read_name
from gateway.cli.output import emit, emit_json, emit_table, say

if TYPE_CHECKING:
    from gateway.config import Settings

    from .desk import Desk, Key, MadeKey

_DEFAULT_OVERLAP = "1h"
_HEADINGS = ("ID", "AGENT", "STATE", "CREATED", "EXPIRES", "LAST USED")

app = noun("Make, list and end the keys with which agents come to the gateway.")

Url: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        help="Ask the admin API of this gateway. Without it: in the store, where the gateway runs.",
    ),
]
KeyId: TypeAlias = Annotated[
    str, typer.Argument(metavar="ID", help="The key's id, or the whole key if it leaked.")
]
Expires: TypeAlias = Annotated[
    float | None,
    typer.Option("--expires", parser=read_duration, metavar="TIME", help="Such as 30d or 12h."),
]


@app.command("list")
def list_(config: Config = None, url: Url = None, as_json: AsJson = False) -> None:
    """List all keys, those that no longer work included. Secrets are not known to anybody."""
    desk = _desk(config, url)
    keys = desk.all()
    if as_json:
        emit_json([asdict(one) for one in keys])
        return
    if keys:
        emit_table(_HEADINGS, (_row(one) for one in keys))
    else:
        say("No keys yet. Make one: gateway keys create NAME")
    if given := desk.given():
        say(given)


@app.command()
def create(
    name: Annotated[str, typer.Argument(parser=read_name, metavar="NAME", help="The agent.")],
    expires: Expires = None,
    config: Config = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Make a key for an agent. Its secret is printed once, here, and stored nowhere."""
    desk = _desk(config, url)
    made = desk.create(name, expires)
    if note := desk.without_budget(name):
        say(note)
    _show_made(made, as_json=as_json)


@app.command()
def rotate(
    key: KeyId,
    overlap: Annotated[
        float,
        typer.Option(
            "--overlap", parser=read_duration, metavar="TIME", help="How long the old one works on."
        ),
    ] = _DEFAULT_OVERLAP,  # type: ignore[assignment]  # typer parses defaults, too
    expires: Expires = None,
    config: Config = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Make a new key for the same agent; the old one works on for the overlap.

    If this machine keeps the old key for `gateway run`, it keeps the new one from now on.
    """
    from gateway.cli.agent_keys import replace_kept

    old = public_part(key)
    made = _desk(config, url).rotate(old, overlap, expires)
    kept = replace_kept(_settings(config), old, made.key.agent, made.secret)
    if kept is not None:
        say(f"{kept} holds the new key.")
    _show_made(made, as_json=as_json)


@app.command()
def expire(
    key: KeyId,
    after: Annotated[
        float | None,
        typer.Option("--in", parser=read_duration, metavar="TIME", help="From now: 30d, 12h, 0."),
    ] = None,
    never: Annotated[bool, typer.Option("--never", help="Let it live until revoked.")] = False,
    dry_run: DryRun = False,
    config: Config = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Let a key end after a time, or never."""
    if (after is None) != never:
        raise typer.BadParameter("give either --in TIME or --never")
    desk, named = _desk(config, url), public_part(key)
    changed = desk.find(named) if dry_run else desk.expire(named, after)
    what = "would expire" if dry_run else f"expires: {_moment(changed.expires)}"
    _show_changed(changed, what, as_json=as_json)
    tell_dry_run(dry_run=dry_run)


@app.command()
def revoke(
    key: KeyId,
    yes: Yes = False,
    dry_run: DryRun = False,
    config: Config = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """End a key for good, at once, on every replica. Asks first, at a terminal."""
    desk, named = _desk(config, url), public_part(key)
    if sys.stdin.isatty():  # elsewhere it is done at once: a leaked key is ended by scripts, too
        confirm(f"End key {named} for good?", yes=yes or dry_run)
    changed = desk.find(named) if dry_run else desk.revoke(named)
    _show_changed(changed, f"{will_be(dry_run=dry_run)} revoked", as_json=as_json)
    tell_dry_run(dry_run=dry_run)


def _desk(config: "Config", url: str | None) -> "Desk":
    """The store, or the admin API that was named."""
    if url is not None:
        from gateway.cli.admin_access import admin_api

        from .through_api import ApiDesk

        return ApiDesk(admin_api(config, url))
    from .through_store import StoreDesk

    return StoreDesk(_settings(config))


def _settings(config: "Config") -> "Settings":
    from gateway.cli.configured import WHEREABOUTS, configured

    return configured(config, only=WHEREABOUTS)


def _show_made(made: "MadeKey", *, as_json: bool) -> None:
    key = made.key
    if as_json:
        told: dict[str, Any] = {"id": key.id, "agent": key.agent, "key": made.secret}
        emit_json({**told, "created": key.created, "expires": key.expires})
        return
    say(
        f"Key {key.id} of agent {key.agent}, expires: {_moment(key.expires)}. "
        "It is shown this once:"
    )
    emit(made.secret)


def _show_changed(key: "Key", what: str, *, as_json: bool) -> None:
    if as_json:
        emit_json(asdict(key))
    else:
        emit(f"{key.id} of agent {key.agent} {what}.")


def _row(key: "Key") -> tuple[str, ...]:
    return (
        key.id,
        key.agent,
        key.state,
        _moment(key.created),
        _moment(key.expires),
        _moment(key.last_used, "-"),
    )


def _moment(at: str | None, otherwise: str = "never") -> str:
    from gateway.cli.wording import moment

    return moment(at, otherwise)
