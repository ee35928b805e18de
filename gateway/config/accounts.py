"""Providers: from the file, or from the variables that the providers' own SDKs read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from gateway.domain.call import Dialect
from gateway.domain.topology import Provider, Timeouts

from . import manual
from .faults import Fault
from .kinds import Unfit
from .reading import Book, Given, Origin
from .texts import Listen, Special, base_url

_ANY_HOST = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Official:
    """A provider's own service, and the variables of its SDK (provider-facts A, B).

    Attributes:
        name: The provider's name when it is made from the environment.
        key_variables: The first that is set counts.
    """

    name: str
    dialect: Dialect
    base_url: str
    key_variables: tuple[str, ...]
    url_variable: str


OFFICIAL: Mapping[Dialect, Official] = {
    one.dialect: one
    for one in (
        Official(
            "claude",
            Dialect.ANTHROPIC,
            "https://api.anthropic.com",
            ("ANTHROPIC_API_KEY",),
            "ANTHROPIC_BASE_URL",
        ),
        Official(
            "openai",
            Dialect.OPENAI,
            "https://api.openai.com/v1",
            ("OPENAI_API_KEY",),
            "OPENAI_BASE_URL",
        ),
        Official(
            "gemini",
            Dialect.GEMINI,
            "https://generativelanguage.googleapis.com",
            ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
            "GOOGLE_GEMINI_BASE_URL",
        ),
    )
}


def providers_from_file(
    given: Mapping[str, Given],
    environment: Mapping[str, str],
    listen: Listen,
    folder: Path,
    book: Book,
) -> dict[str, Provider]:
    """The providers that the file names."""
    return {
        name: _provider(name, one, environment, listen, folder, book) for name, one in given.items()
    }


def _provider(
    name: str,
    given: Given,
    environment: Mapping[str, str],
    listen: Listen,
    folder: Path,
    book: Book,
) -> Provider:
    dialect = given.get(manual.DIALECT)
    official = OFFICIAL[dialect]
    url = given.get(manual.BASE_URL) or official.base_url
    if points_at(url, listen):
        given.fault(
            "base_url",
            "this is the gateway's own address: calls would run in a circle",
            "Write the provider's address.",
        )
    if dialect is Dialect.OPENAI and given.has("base_url") and not urlsplit(url).path:
        given.fault(
            "base_url",
            "the base URL of an OpenAI-compatible provider has a path",
            "It usually ends in /v1, as its SDK wants it.",
        )
    replicas = given.series(manual.REPLICAS)
    for replica in replicas:
        if points_at(replica, listen):
            given.fault(
                "replicas",
                "this is the gateway's own address: calls would run in a circle",
                "Write the addresses of the provider's server.",
            )
    key = given.get(manual.API_KEY)
    if (
        key is None
        and given.has("dialect")
        and not (given.has("api_key") or given.flawed("dialect"))
    ):
        key = _default_key(given, official, url, environment, book)
    ca_file = given.get(manual.TLS_CA_FILE)
    return Provider(
        name=name,
        dialect=dialect,
        base_url=url,
        api_key=None if isinstance(key, Special) else key,
        passthrough=key is Special.PASSTHROUGH,
        timeouts=_timeouts(given.section(manual.TIMEOUTS)),
        max_connections=given.get(manual.PROVIDER_CONNECTIONS),
        tls_ca_file=str(folder / ca_file) if ca_file is not None else None,
        translated_api=given.get(manual.TRANSLATED_API),
        replicas=replicas,
    )


def _timeouts(given: Given) -> Timeouts:
    return Timeouts(
        connect_s=given.get(manual.CONNECT),
        first_byte_s=given.get(manual.FIRST_BYTE),
        between_chunks_s=given.get(manual.BETWEEN_CHUNKS),
        total_s=given.get(manual.TOTAL),
    )


def _default_key(
    given: Given, official: Official, url: str, environment: Mapping[str, str], book: Book
) -> str | None:
    """The SDK's variable, but only for the address that this credential belongs to."""
    if url != official.base_url:
        given.missing(
            "api_key",
            "api_key is missing",
            "Write api_key: ${NAME_OF_A_VARIABLE}, or api_key: none for a server without one.",
        )
        return None
    found = key_in_environment(official, environment)
    if found is None:
        names = " or ".join(official.key_variables)
        given.missing(
            "api_key",
            f"api_key is missing, and the environment variable {names} is not set",
            f"Set {names}, or write api_key: ... here.",
        )
        return None
    variable, key = found
    book.origins[given.child("api_key")] = Origin(variables=(variable,))
    return key


def key_in_environment(
    official: Official, environment: Mapping[str, str]
) -> tuple[str, str] | None:
    """The variable that holds the credential, and the credential."""
    for variable in official.key_variables:
        value = environment.get(variable, "").strip()
        if value:
            return variable, value
    return None


def providers_from_environment(
    environment: Mapping[str, str], listen: Listen, book: Book
) -> dict[str, Provider]:
    """A provider for each SDK whose key is set; a fault if there is none."""
    providers: dict[str, Provider] = {}
    for official in OFFICIAL.values():
        found = key_in_environment(official, environment)
        if found is None:
            continue
        variable, key = found
        if not re.fullmatch(r"[\x21-\x7e]+", key):
            book.faults.found.append(
                Fault(
                    "",
                    0,
                    0,
                    variable,
                    "the key holds white space or characters outside ASCII",
                    "Set it anew.",
                )
            )
        path = f"providers.{official.name}"
        url, source = _url_in_environment(official, environment, listen, book)
        book.origins[f"{path}.api_key"] = Origin(variables=(variable,))
        if source:
            book.origins[f"{path}.base_url"] = Origin(variables=(source,))
        providers[official.name] = Provider(official.name, official.dialect, url, api_key=key)
    if not providers and not any(one.field == "providers" for one in book.faults.found):
        book.faults.found.append(_no_provider(book.faults.file))
    return providers


def _url_in_environment(
    official: Official, environment: Mapping[str, str], listen: Listen, book: Book
) -> tuple[str, str]:
    """The address, and the variable that it came from (empty: the official one)."""
    variable = official.url_variable
    value = environment.get(variable, "").strip()
    if not value:
        return official.base_url, ""
    try:
        url = base_url().parse(value)
    except Unfit as unfit:
        book.faults.found.append(Fault("", 0, 0, variable, unfit.message, unfit.remedy))
        return official.base_url, ""
    if points_at(url, listen):
        keys = " or ".join(official.key_variables)
        book.notes.append(
            f"{variable} points at this gateway itself and is ignored; make sure that {keys} "
            "is the provider's own key and not a gateway key"
        )
        return official.base_url, ""
    return url, variable


def _no_provider(file: str) -> Fault:
    variables = ", ".join(" / ".join(one.key_variables) for one in OFFICIAL.values())
    return Fault(
        file,
        0,
        0,
        "providers",
        "no provider is configured, and the environment holds no provider key",
        f"Set one of {variables}, or name providers in gateway.yaml, "
        "or try it without any key: gateway serve --simulate",
    )


def points_at(url: str, listen: Listen) -> bool:
    """Whether a URL leads to the gateway's own address."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if port != listen.port:
        return False
    host = (parts.hostname or "").lower()
    if host == listen.host.lower():
        return True
    local = host in _LOOPBACK or host in _ANY_HOST
    return local and (listen.host in _LOOPBACK or listen.host in _ANY_HOST)
