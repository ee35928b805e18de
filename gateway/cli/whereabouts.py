"""Where the gateway is: said on the command line, in the environment, by itself, or configured.

A gateway that is ready leaves its address in `STATE_DIR/listening` and takes it away when it stops,
so that `gateway run` finds it also when `--listen` or a free port moved it. A file left by a
gateway that was killed costs nothing but a clear message.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from gateway.config import Listen, Settings

from .failing import ExitCode, Failure

URL_VARIABLE = "GATEWAY_URL"
_FILE = "listening"
_ANSWER_LIMIT_S = 5.0


def gateway_url(given: str | None, environment: Mapping[str, str], settings: Settings) -> str:
    """The base URL of the gateway, without a trailing slash.

    Raises:
        Failure: What was given is no URL.
    """
    url = given or environment.get(URL_VARIABLE) or _left(settings) or _configured(settings.listen)
    url = url.rstrip("/").removesuffix("/v1")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Failure(
            f"{url} is not the address of a gateway. Write it like http://127.0.0.1:8080.",
            ExitCode.USAGE,
        )
    return url


def demand_ready(url: str) -> None:
    """Ask the gateway whether it can take calls.

    Raises:
        Failure: It does not answer, or not yet.
    """
    import httpx2

    try:
        answer = httpx2.get(f"{url}/readyz", timeout=_ANSWER_LIMIT_S, trust_env=False)
    except httpx2.HTTPError as error:
        raise Failure(
            f"no gateway answers at {url} ({error}). "
            "Start one with: gateway serve, or name another with --url.",
            ExitCode.UNREACHABLE,
        ) from None
    if answer.status_code != 200:
        said = answer.text.strip()[:200] or f"status {answer.status_code}"
        raise Failure(
            f"the gateway at {url} is not ready: {said}. Look at its log, or try again shortly.",
            ExitCode.UNREACHABLE,
        )


def callable_url(url: str) -> str:
    """A base URL that can be called: one that listens on all interfaces is also on loopback."""
    return url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")


@contextmanager
def leaving_address(state_dir: Path) -> Iterator[Callable[[str], None]]:
    """Gives what leaves the address; it is taken away at the end unless another gateway's is there."""
    path, left = state_dir / _FILE, ""

    def leave(url: str) -> None:
        nonlocal left
        left = url
        path.write_text(f"{url}\n", encoding="ascii")

    try:
        yield leave
    finally:
        if left and _read(path) == left:
            path.unlink(missing_ok=True)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def _left(settings: Settings) -> str | None:
    return _read(settings.state.dir / _FILE)


def _configured(listen: Listen) -> str:
    return callable_url(f"http://{listen}")
