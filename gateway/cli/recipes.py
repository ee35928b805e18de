"""What `gateway serve` tells when it is ready: addresses, secrets' places, a line for each SDK.

No secret is printed: a line reads the key from its file, or from `$GATEWAY_KEY` where the key is
known to its owner alone.
"""

import shlex
from dataclasses import dataclass
from pathlib import Path

from . import codex
from .child_environment import KEY_VARIABLE, Errand


@dataclass(frozen=True, slots=True)
class Ready:
    """What is known when the gateway is ready.

    Attributes:
        url: Base URL without a path.
        admin_token: Where the admin token is, for a person to read.
        key_file: A file with a key that works, if there is one.
        agent: Whose key that is.
        simulator: Its URL, if the providers are simulated.
    """

    version: str
    url: str
    admin_token: str
    key_file: Path | None
    agent: str
    simulator: str | None = None

    def plain(self) -> dict[str, object]:
        """For programs."""
        return {
            "event": "ready",
            "version": self.version,
            "url": self.url,
            "openai_url": f"{self.url}/v1",
            "admin_token": self.admin_token,
            "key_file": None if self.key_file is None else str(self.key_file),
            "simulator": self.simulator,
        }


def told(ready: Ready) -> str:
    """For people."""
    url, openai = ready.url, f"{ready.url}/v1"
    lines = [
        f"agent-gateway {ready.version} is ready.",
        "",
        f"  Anthropic, Gemini  {url}",
        f"  OpenAI             {openai}",
        f"  Admin token        {ready.admin_token}",
        f"  Agent key          {_key_place(ready)}",
    ]
    if ready.simulator is not None:
        lines.append(f"  Providers          simulated at {ready.simulator}")
    lines += [
        "",
        "Start any agent, and everything is set for it:",
        f"  gateway run --agent {ready.agent} -- claude",
        "or tell it yourself:",
    ]
    lines += [f"  {name:<13} {line}" for name, line in _recipes(ready, url, openai)]
    return "\n".join([*lines, ""])


def _key_place(ready: Ready) -> str:
    if ready.key_file is None:
        return "make one: gateway keys create NAME"
    return f"{ready.key_file} (agent {ready.agent})"


def _recipes(ready: Ready, url: str, openai: str) -> list[tuple[str, str]]:
    if ready.key_file is None:
        shell, python = f'"${KEY_VARIABLE}"', f'os.environ["{KEY_VARIABLE}"]'
    else:
        path = str(ready.key_file)
        shell = f'"$(cat {shlex.quote(path)})"'
        python = f"open({path!r}).read().strip()"
    overrides = shlex.join(codex.overrides(Errand(url, "")))
    return [
        ("Claude Code", f"ANTHROPIC_BASE_URL={url} ANTHROPIC_AUTH_TOKEN={shell} claude"),
        ("Codex", f"{KEY_VARIABLE}={shell} codex {overrides}"),
        ("Gemini CLI", f"GOOGLE_GEMINI_BASE_URL={url} GEMINI_API_KEY={shell} gemini"),
        ("anthropic", f'Anthropic(base_url="{url}", auth_token={python})'),
        ("openai", f'OpenAI(base_url="{openai}", api_key={python})'),
        (
            "google-genai",
            f'genai.Client(api_key={python}, http_options={{"base_url": "{url}"}})',
        ),
    ]
