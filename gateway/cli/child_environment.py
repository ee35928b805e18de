"""The environment in which an agent reaches the gateway with no change to its code.

Every SDK and CLI is told the base URL and the agent's gateway key in the variables that it reads
itself; variables that would lead around the gateway, or to a prompt, are taken away.

* **Anthropic** (provider-facts A9): the key goes into `ANTHROPIC_AUTH_TOKEN` and
  `ANTHROPIC_API_KEY` is taken away. Claude Code uses a token without a question, asks before it
  uses an API key that it has not seen, and warns if both are set; the SDKs take a token alone.
  Tools that read only `ANTHROPIC_API_KEY` are started with `--anthropic-api-key`.
* **OpenAI** (B1): `OPENAI_ORG_ID` and `OPENAI_PROJECT_ID` are taken away, since they name a place in
  the caller's own account and would be sent with the gateway's credential. Codex reads no base URL
  (B8); see `codex`.
* **Gemini** (B11, B13): the key goes into `GEMINI_API_KEY` and `GOOGLE_API_KEY` is taken away, which
  would win over it in the SDK, and which Gemini CLI 0.44 could not stand beside a base URL.

Where the gateway forwards the caller's own credential (`api_key: passthrough`), that is left as it
is, and the gateway key travels in the header `x-gateway-key`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from gateway.domain.call import Dialect

KEY_VARIABLE = "GATEWAY_KEY"
URL_VARIABLE = "GATEWAY_URL"
_KEY_HEADER = "x-gateway-key"
_PRIORITY_HEADER = "x-gateway-priority"

AROUND_ANTHROPIC = (
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
    "CLAUDE_CODE_USE_FOUNDRY",
)
AROUND_GEMINI = (
    "GOOGLE_GENAI_USE_VERTEXAI",
    "GOOGLE_GENAI_USE_ENTERPRISE",
    "GOOGLE_GENAI_USE_GCA",
)
_PROXIES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
_MODEL_VARIABLES = (("claude", "ANTHROPIC_MODEL"), ("gemini", "GEMINI_MODEL"))


@dataclass(frozen=True, slots=True)
class Errand:
    """Who is sent to the gateway, and how.

    Attributes:
        url: The gateway's base URL, without a trailing slash.
        key: The agent's gateway key.
        model: For the variables that name a default model.
        priority: Sent as a header by the SDKs and CLIs that can.
        anthropic_api_key: Use `ANTHROPIC_API_KEY` instead of the token.
        passthrough: Dialects whose callers bring their own credential.
    """

    url: str
    key: str = field(repr=False)
    model: str | None = None
    priority: str | None = None
    anthropic_api_key: bool = False
    passthrough: frozenset[Dialect] = frozenset()


def child_environment(own: Mapping[str, str], errand: Errand) -> dict[str, str]:
    """A copy of the environment in which all SDKs and CLIs go through the gateway."""
    child = {**own, URL_VARIABLE: errand.url, KEY_VARIABLE: errand.key}
    _anthropic(child, errand)
    _openai(child, errand)
    _gemini(child, errand)
    _name_model(child, errand)
    _spare_proxy(child, errand.url)
    return child


def _anthropic(child: dict[str, str], errand: Errand) -> None:
    child["ANTHROPIC_BASE_URL"] = errand.url
    if Dialect.ANTHROPIC not in errand.passthrough:
        used, unused = "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY"
        if errand.anthropic_api_key:
            used, unused = unused, used
        child[used] = errand.key
        child.pop(unused, None)
    for name in AROUND_ANTHROPIC:
        child.pop(name, None)
    child.setdefault("CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY", "1")
    child.setdefault("ENABLE_TOOL_SEARCH", "true")  # off by default on other base URLs
    _add_headers(child, "ANTHROPIC_CUSTOM_HEADERS", "\n", _headers(errand, Dialect.ANTHROPIC))


def _openai(child: dict[str, str], errand: Errand) -> None:
    child["OPENAI_BASE_URL"] = f"{errand.url}/v1"
    child["OPENAI_API_BASE"] = f"{errand.url}/v1"  # older SDKs and tools built on them
    if Dialect.OPENAI not in errand.passthrough:
        child["OPENAI_API_KEY"] = errand.key
        for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
            child.pop(name, None)
    _add_headers(child, "OPENAI_CUSTOM_HEADERS", "\n", _headers(errand, Dialect.OPENAI))


def _gemini(child: dict[str, str], errand: Errand) -> None:
    child["GOOGLE_GEMINI_BASE_URL"] = errand.url
    if Dialect.GEMINI not in errand.passthrough:
        child["GEMINI_API_KEY"] = errand.key
        child.pop("GOOGLE_API_KEY", None)
    for name in AROUND_GEMINI:
        child.pop(name, None)
    _add_headers(child, "GEMINI_CLI_CUSTOM_HEADERS", ", ", _headers(errand, Dialect.GEMINI))


def _headers(errand: Errand, dialect: Dialect) -> dict[str, str]:
    headers = {_KEY_HEADER: errand.key} if dialect in errand.passthrough else {}
    if errand.priority is not None:
        headers[_PRIORITY_HEADER] = errand.priority
    return headers


def _add_headers(
    child: dict[str, str], variable: str, separator: str, headers: Mapping[str, str]
) -> None:
    """Add to the headers that the caller has there already."""
    if headers:
        added = [f"{name}: {value}" for name, value in headers.items()]
        child[variable] = separator.join([*filter(None, [child.get(variable)]), *added])


def _name_model(child: dict[str, str], errand: Errand) -> None:
    if errand.model is None:
        return
    known = (name for prefix, name in _MODEL_VARIABLES if errand.model.startswith(prefix))
    child[next(known, "OPENAI_MODEL")] = errand.model


def _spare_proxy(child: dict[str, str], url: str) -> None:
    """Calls to the gateway go there directly, even where the rest goes through a proxy."""
    host = urlsplit(url).hostname or ""
    if not any(child.get(name) for name in _PROXIES):
        return
    for name in ("no_proxy", "NO_PROXY"):
        spared = child.get(name, "")
        if host not in [one.strip() for one in spared.split(",")]:
            child[name] = f"{spared},{host}" if spared else host
