"""The state directory: private, locked by one gateway at a time, with a socket path that fits.

Failure policy: what cannot be used safely (another gateway holds it, somebody else owns the
socket's directory) raises `StateDirError` with the remedy; nothing is taken over silently.
"""

import fcntl
import hashlib
import logging
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_log = logging.getLogger(__name__)

MAX_SOCKET_PATH_BYTES = 103
"""What fits into `sockaddr_un` everywhere: macOS takes 103 bytes, Linux 107."""


class StateDirError(Exception):
    """The state directory cannot be used; the message says why and what to do."""


def make_private(path: Path) -> Path:
    """Create a directory for this user alone; one that exists is kept as it is.

    Raises:
        StateDirError: It cannot be created.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StateDirError(
            f"cannot create the state directory {path}: {error.strerror}. "
            "Set state.dir to a directory that the gateway may write to."
        ) from error
    return path


@contextmanager
def locked(directory: Path, owner_hint: str) -> Iterator[None]:
    """Hold the directory for this process; the kernel lets go of it however the process ends.

    Args:
        directory: Where the lock file is kept.
        owner_hint: What to call the directory in the error (the user's own name for it).

    Raises:
        StateDirError: Another process holds it.
    """
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _take(descriptor, owner_hint)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, owner_hint: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace") or "unknown"
        raise StateDirError(
            f"state directory {owner_hint} is in use by another gateway (process {holder}). "
            "Stop that one, give this one its own state.dir, or let both share one server "
            "through state.url."
        ) from error


def socket_path(directory: Path) -> Path:
    """Where the server's socket goes: into the directory, or to a short place if that is too long.

    The short place depends on the directory alone, so that every process finds the same one.

    Raises:
        StateDirError: The short place belongs to another user or is open to others.
    """
    path = directory.resolve() / "valkey.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH_BYTES:
        return path
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
    short = Path(tempfile.gettempdir()) / f"gateway-{os.getuid()}-{digest}" / "s"
    _demand_own(make_private(short.parent))
    _log.warning(
        "the path of %s is too long for a Unix socket (%d bytes, limit %d); using %s",
        path,
        len(os.fsencode(path)),
        MAX_SOCKET_PATH_BYTES,
        short,
    )
    return short


def _demand_own(directory: Path) -> None:
    """Refuse a directory in a shared place that somebody else prepared."""
    status = directory.lstat()
    private = stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o077
    if not private or status.st_uid != os.getuid():
        raise StateDirError(
            f"{directory} exists and is not a private directory of this user. "
            "Remove it, or set state.dir to a shorter path."
        )
