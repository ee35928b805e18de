"""Keys that this machine keeps for its agents: `STATE_DIR/agents/NAME.key`, one secret each.

The store knows only hashes, so a secret that is to be used again lives in a file that only this
user can read. `gateway serve` writes the first, `gateway run` one for each agent it starts, and
`gateway keys rotate` replaces the one that it rotates.

Failure policy: a file that is empty or unreadable is a `Failure` with the remedy; a key that was
revoked or has expired is one, too, and never replaced silently, since somebody meant it to end.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.config import Settings
from gateway.domain.keys import KeyRecord
from gateway.store.connection import Client
from gateway.store.keys import KeyStore
from gateway.store.state_dir import make_private
from gateway.wiring.clock import SystemClock

from .failing import Failure
from .key_names import public_part

DEFAULT_AGENT = "default"


def key_file(state_dir: Path, agent: str) -> Path:
    """Where an agent's secret is kept."""
    return state_dir / "agents" / f"{agent}.key"


def read_key(path: Path) -> str | None:
    """The secret in a file, or `None` if there is no file.

    Raises:
        Failure: The file cannot be read or is empty.
    """
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"cannot read the key file {path}: {error}. Correct or delete it.") from None
    if not secret:
        raise Failure(f"the key file {path} is empty. Delete it to get a new key.")
    return secret


def write_key(path: Path, secret: str) -> None:
    """Put a secret in place, whole and for this user alone."""
    make_private(make_private(path.parent.parent) / path.parent.name)
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mode 0600
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{secret}\n")
    Path(draft).replace(path)


async def key_of(agent: str, settings: Settings, client: Client) -> tuple[str, bool]:
    """The key this machine keeps for an agent, made at its first use.

    Returns:
        The secret, and whether it was made now.

    Raises:
        Failure: The kept key no longer works.
    """
    path, keys = key_file(settings.state.dir, agent), KeyStore(client, SystemClock())
    with _one_at_a_time(path):
        secret = read_key(path)
        if secret is not None and not await _forgotten(secret, path, keys):
            return secret, False
        secret = (await keys.create(agent)).secret
        write_key(path, secret)
        return secret, True


async def first_key(settings: Settings, client: Client) -> Path | None:
    """Make the agent `default` if nobody has a key yet, so that a first start can be used at once.

    Returns:
        The file with a key of `default` that works, if there is one.
    """
    keys, path = KeyStore(client, SystemClock()), key_file(settings.state.dir, DEFAULT_AGENT)
    with _one_at_a_time(path):
        known = await keys.load()
        if not known and not settings.agent_keys:
            write_key(path, (await keys.create(DEFAULT_AGENT)).secret)
            return path
    secret = read_key(path)
    record = None if secret is None else known.get(public_part(secret))
    return path if record is not None and _works(record) else None


def replace_kept(settings: Settings, old: str, agent: str, secret: str) -> Path | None:
    """Keep a new secret where the old key's was kept; the file, if there was one."""
    path = key_file(settings.state.dir, agent)
    kept = read_key(path)
    if kept is None or public_part(kept) != old:
        return None
    write_key(path, secret)
    return path


async def _forgotten(secret: str, path: Path, keys: KeyStore) -> bool:
    """Whether the store does not know the kept key at all, as after it was emptied."""
    record = await keys.get(public_part(secret))
    if record is None:
        return True
    if not _works(record):
        why = "was revoked" if record.revoked_s is not None else "has expired"
        raise Failure(
            f"the key {record.public_id} of agent {record.agent} {why}. "
            f"To let this machine make a new one, delete {path}."
        )
    return False


def _works(record: KeyRecord) -> bool:
    return record.works_at(SystemClock().wall())


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    """Keep other processes from making the same agent's key meanwhile."""
    folder = make_private(make_private(path.parent.parent) / path.parent.name)
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
