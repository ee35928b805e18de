"""Codex reads no base URL from the environment: it is told on its command line.

Its `-c KEY=VALUE` overrides (provider-facts B8) define a provider of its own. They stand before
the user's arguments, so that the user's own overrides, which come later, win.
"""

import json
from collections.abc import Sequence
from pathlib import PurePath

from gateway.domain.call import Dialect

from .child_environment import KEY_VARIABLE, Errand

_PROVIDER = "gw"


def is_codex(command: Sequence[str]) -> bool:
    """Whether this command starts Codex."""
    return PurePath(command[0]).name == "codex"


def with_overrides(command: Sequence[str], errand: Errand) -> list[str]:
    """The command with the gateway as its model provider."""
    return [command[0], *overrides(errand), *command[1:]]


def overrides(errand: Errand) -> list[str]:
    """The arguments; the key itself stays in the environment."""
    provider = f"model_providers.{_PROVIDER}"
    passthrough = Dialect.OPENAI in errand.passthrough
    settings = {
        f"{provider}.name": "agent-gateway",  # "OpenAI" would turn on its own endpoints
        f"{provider}.base_url": f"{errand.url}/v1",
        f"{provider}.wire_api": "responses",
        f"{provider}.env_key": "OPENAI_API_KEY" if passthrough else KEY_VARIABLE,
        "model_provider": _PROVIDER,
    }
    if errand.model is not None:
        settings["model"] = errand.model
    written = [f"{name}={json.dumps(value)}" for name, value in settings.items()]
    if passthrough:
        written.append(f'{provider}.env_http_headers={{"x-gateway-key"="{KEY_VARIABLE}"}}')
    if errand.priority is not None:
        written.append(
            f'{provider}.http_headers={{"x-gateway-priority"={json.dumps(errand.priority)}}}'
        )
    return [part for setting in written for part in ("-c", setting)]
