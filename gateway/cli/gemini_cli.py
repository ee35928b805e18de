"""Gemini CLI takes its kind of login from its settings, not from the environment.

Whoever has logged in with Google keeps that login although a base URL is set, and goes around the
gateway. Without any selection, 0.61 works in a terminal, but refuses to run headless beside a base
URL ("Invalid auth method selected": its check does not know its own kind `gateway`). Both were
tried; system settings would settle it, but count only where root owns them and every folder above.
So the user's own settings are looked at, never written, and a login around the gateway is refused.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

from .failing import Failure

BY_KEY = "gemini-api-key"
_GATEWAY = "gateway"
_HEADLESS = ("-p", "--prompt")


def is_gemini_cli(command: Sequence[str]) -> bool:
    """Whether this command starts Gemini CLI."""
    return PurePath(command[0]).name == "gemini"


def settings_file(environment: Mapping[str, str]) -> Path:
    """The user's settings."""
    home = environment.get("GEMINI_CLI_HOME") or environment.get("HOME") or "~"
    return Path(home).expanduser() / ".gemini" / "settings.json"


def selected_login(path: Path) -> str | None:
    """The kind of login that is selected there; `None` if none is, or nobody can tell."""
    try:
        found = json.loads(path.read_text())["security"]["auth"]["selectedType"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None


def demand_key_login(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """See that the command will use the gateway's key.

    Raises:
        Failure: It would use another login and go around the gateway, or refuse to start.
    """
    path = settings_file(environment)
    login = selected_login(path)
    headless = any(one.split("=")[0] in _HEADLESS for one in command[1:])
    if login == BY_KEY or (login in {None, _GATEWAY} and not headless):
        return
    fault = (
        f"logs in as {login!r} and would go around the gateway"
        if login not in {None, _GATEWAY}
        else "does not run headless beside a base URL unless a login by key is selected"
    )
    raise Failure(
        f"Gemini CLI {fault}. "
        f'Put {{"security": {{"auth": {{"selectedType": "{BY_KEY}"}}}}}} into {path}.'
    )
