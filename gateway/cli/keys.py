"""`gateway keys`: make, list and end the keys with which agents come to the gateway."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TypeAlias, TypeVar

import typer

from gateway.wiring.clock import SystemClock

from .failing import ExitCode, Failure
from .key_names import public_part
from .options import AsJson, Config, read_duration, read_name
from .output import emit, emit_json, emit_table, say

if TYPE_CHECKING:
    from gateway.config import Settings
    from gateway.domain.keys import KeyRecord, NewKey
    from gateway.store.keys import KeyStore

T = TypeVar("T")
_DEFAULT_OVERLAP = "1h"

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Make, list and end the keys with which agents come to the gateway.",
)

KeyId: TypeAlias = Annotated[
    str, typer.Argument(metavar="ID", help="The key's id, or the whole key if it leaked.")
]
Expires: TypeAlias = Annotated[
    float | None,
    typer.Option("--expires", parser=read_duration, metavar="TIME", help="Such as 30d or 12h."),
]


@app.command()
def create(
    name: Annotated[str, typer.Argument(parser=read_name, metavar="NAME", help="The agent.")],
    expires: Expires = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make a key for an agent. Its secret is printed once, here, and stored nowhere."""
    settings = _settings(config)
    new = _with_keys(settings, lambda keys: keys.create(name, expires_in_s=expires))
    known = settings.topology.agents
    if known and name not in known:
        say(
            f"Note: {settings.file} names no agent {name}, so it has no budget. "
            f"It names: {', '.join(known)}."
        )
    _show_new(new, as_json=as_json)


@app.command("list")
def list_(config: Config = None, as_json: AsJson = False) -> None:
    """List all keys, those that no longer work included. Secrets are not known to anybody."""
    settings = _settings(config)
    records = _with_keys(settings, lambda keys: keys.all())
    now_s = SystemClock().wall()
    if as_json:
        emit_json([_plain(one, now_s) for one in records])
        return
    if records:
        rows = (_row(one, now_s) for one in records)
        emit_table(("ID", "AGENT", "STATE", "CREATED", "EXPIRES", "LAST USED"), rows)
    else:
        say("No keys yet. Make one: gateway keys create NAME")
    if settings.agent_keys:
        say(f"Keys of {', '.join(settings.agent_keys)} are in {settings.file}.")


@app.command()
def revoke(key: KeyId, config: Config = None, as_json: AsJson = False) -> None:
    """End a key for good, at once, on every replica."""
    record = _with_keys(_settings(config), lambda keys: keys.revoke(public_part(key)))
    _show_changed(record, f"{record.public_id} of agent {record.agent} is revoked.", as_json)


@app.command()
def expire(
    key: KeyId,
    after: Annotated[
        float | None,
        typer.Option("--in", parser=read_duration, metavar="TIME", help="From now: 30d, 12h, 0."),
    ] = None,
    never: Annotated[bool, typer.Option("--never", help="Let it live until revoked.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Let a key end after a time, or never."""
    if (after is None) != never:
        raise typer.BadParameter("give either --in TIME or --never")
    record = _with_keys(_settings(config), lambda keys: keys.expire(public_part(key), in_s=after))
    text = f"{record.public_id} of agent {record.agent} expires: {_moment(record.expires_s)}."
    _show_changed(record, text, as_json)


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
    as_json: AsJson = False,
) -> None:
    """Make a new key for the same agent; the old one works on for the overlap.

    If this machine keeps the old key for `gateway run`, it keeps the new one from now on.
    """
    from .agent_keys import replace_kept

    settings, old = _settings(config), public_part(key)
    new = _with_keys(
        settings, lambda keys: keys.rotate(old, overlap_s=overlap, expires_in_s=expires)
    )
    kept = replace_kept(settings, old, new.record.agent, new.secret)
    if kept is not None:
        say(f"{kept} holds the new key.")
    _show_new(new, as_json=as_json)


def _settings(config: "Config") -> "Settings":
    from .configured import WHEREABOUTS, configured

    return configured(config, only=WHEREABOUTS)


def _with_keys(settings: "Settings", do: "Callable[[KeyStore], Awaitable[T]]") -> T:
    """Do something with the keys in the store.

    Raises:
        Failure: The store cannot be used, there is no such key, or it makes no sense.
    """
    from redis.exceptions import RedisError

    from gateway.store.keys import KeyStore, UnknownKey

    from .store_access import open_store

    async def work() -> T:
        async with open_store(settings) as client:
            return await do(KeyStore(client, SystemClock()))

    try:
        return asyncio.run(work())
    except UnknownKey as error:
        raise Failure(f"{error.args[0]}. See: gateway keys list") from None
    except ValueError as error:
        raise Failure(f"{error}.") from None
    except RedisError as error:
        raise Failure(f"the store failed: {error}. Try again.", ExitCode.UNREACHABLE) from None


def _show_new(new: "NewKey", *, as_json: bool) -> None:
    record = new.record
    if as_json:
        emit_json(
            {
                "id": record.public_id,
                "agent": record.agent,
                "key": new.secret,
                "created": _iso(record.created_s),
                "expires": _iso(record.expires_s),
            }
        )
        return
    say(
        f"Key {record.public_id} of agent {record.agent}, expires: {_moment(record.expires_s)}. "
        "It is shown this once:"
    )
    emit(new.secret)


def _show_changed(record: "KeyRecord", text: str, as_json: bool) -> None:
    if as_json:
        emit_json(_plain(record, SystemClock().wall()))
    else:
        emit(text)


def _state(record: "KeyRecord", now_s: float) -> str:
    if record.revoked_s is not None:
        return "revoked"
    return "active" if record.works_at(now_s) else "expired"


def _plain(record: "KeyRecord", now_s: float) -> dict[str, object]:
    return {
        "id": record.public_id,
        "agent": record.agent,
        "state": _state(record, now_s),
        "created": _iso(record.created_s),
        "expires": _iso(record.expires_s),
        "revoked": _iso(record.revoked_s),
        "last_used": _iso(record.last_used_s),
    }


def _row(record: "KeyRecord", now_s: float) -> tuple[str, ...]:
    return (
        record.public_id,
        record.agent,
        _state(record, now_s),
        _moment(record.created_s),
        _moment(record.expires_s),
        _moment(record.last_used_s, otherwise="-"),
    )


def _iso(at_s: float | None) -> str | None:
    """A time as programs read it."""
    if at_s is None:
        return None
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _moment(at_s: float | None, otherwise: str = "never") -> str:
    """A time as people read it, in UTC."""
    return otherwise if at_s is None else f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%MZ}"
