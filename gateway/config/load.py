"""From a file and the environment to `Settings`.

Failure policy: a file that is named but cannot be read is a fault; without a name, `gateway.yaml`
in the working folder is taken if it is there, and otherwise the environment alone. Any fault
refuses the whole configuration, and all faults are told together.
"""

from collections.abc import Mapping
from pathlib import Path

from gateway.domain.topology import QueueSettings, Topology

from . import caching, fleet, manual, prices, reliability, route_manual, routing, tracing
from .accounts import providers_from_environment, providers_from_file
from .document import Entries, Tree, parse_document
from .faults import ConfigError, Fault, Faults
from .reading import Book, Given
from .settings import (
    AdminSettings,
    ExplanationSettings,
    LogSettings,
    ServerSettings,
    Settings,
    StateSettings,
)
from .texts import Listen

DEFAULT_FILE = "gateway.yaml"


def load(
    path: Path | None,
    environment: Mapping[str, str],
    *,
    folder: Path | None = None,
    only: tuple[str, ...] = (),
) -> Settings:
    """The configuration in force.

    Args:
        path: The file; `None` takes `gateway.yaml` in `folder` if there is one.
        environment: Where `${VAR}` and the SDKs' variables are looked up.
        folder: The working folder.
        only: Sections at the top whose faults count; whoever just needs to find a running gateway
            (`listen`, `state`) may lack its provider keys. Elsewhere a default stands for what is
            at fault. Empty: all.

    Raises:
        ConfigError: With every fault that was found.
    """
    here = folder if folder is not None else Path()
    if path is None:
        candidate = here / DEFAULT_FILE
        path = candidate if candidate.is_file() else None
    if path is None:
        book = Book(Faults("", only=only))
        return _settings(Entries((0, 0), {}), book, environment, here, None)
    return load_text(_read(path), environment, file=str(path), folder=path.parent, only=only)


def load_text(
    raw: bytes,
    environment: Mapping[str, str],
    *,
    file: str = DEFAULT_FILE,
    folder: Path,
    only: tuple[str, ...] = (),
) -> Settings:
    """The configuration that a text means.

    Args:
        raw: The text as bytes.
        environment: Where `${VAR}` and the SDKs' variables are looked up.
        file: Its name in messages.
        folder: What relative paths in it start from.
        only: As for `load`.

    Raises:
        ConfigError: With every fault that was found.
    """
    book = Book(Faults(file, only=only))
    tree = parse_document(raw, file, environment, book.faults)
    return _settings(tree, book, environment, folder, file)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or "unreadable"
        fault = Fault(str(path), 0, 0, "", f"the file cannot be read: {reason}", "Check the path.")
        raise ConfigError([fault]) from None


def _settings(
    tree: Tree, book: Book, environment: Mapping[str, str], folder: Path, file: str | None
) -> Settings:
    root = Given(manual.SCHEMA, tree, "", book)
    listen = root.get(manual.LISTEN)
    given_providers = root.table(manual.PROVIDERS)
    if given_providers:
        providers = providers_from_file(given_providers, environment, listen, folder, book)
    else:
        providers = providers_from_environment(environment, listen, book)
    lanes = fleet.lanes(root.table(manual.LANES), providers)
    teams = fleet.teams(root.table(manual.TEAMS))
    agents, keys = fleet.agents(root.table(manual.AGENTS), teams)
    topology = Topology(
        providers=providers,
        lanes=lanes,
        teams=teams,
        agents=agents,
        queue=_queue(root.section(manual.QUEUE)),
        minute_s=root.get(manual.MINUTE),
        fallbacks=fleet.fallbacks(root, lanes),
        translation=root.get(manual.TRANSLATION),
        routes=routing.routes(root.listing(route_manual.ROUTES), agents, teams, folder),
    )
    token = _admin_token(root, topology, keys)
    admin = _admin(root.section(manual.ADMIN), listen)
    state = _state(root.section(manual.STATE), folder)
    server = _server(root.section(manual.SERVER))
    logging = _logging(root.section(manual.LOGGING), folder)
    explanations = _explanations(root.section(manual.EXPLANATIONS))
    traced = tracing.tracing(root.section(tracing.TRACING))
    reliable = reliability.reliability(root)
    price_settings = prices.prices(root.listing(prices.PRICES), root.section(prices.UNPRICED))
    usage = prices.usage(root.section(prices.USAGE))
    convoy = caching.caching(root.section(caching.CACHE))
    book.faults.raise_if_any()
    return Settings(
        topology=topology,
        listen=listen,
        state=state,
        admin_token=token,
        admin=admin,
        agent_keys=keys,
        server=server,
        logging=logging,
        explanations=explanations,
        tracing=traced,
        reliability=reliable,
        prices=price_settings,
        usage=usage,
        caching=convoy,
        file=file,
        origins=book.origins,
        notes=tuple(book.notes),
    )


def _admin_token(root: Given, topology: Topology, keys: Mapping[str, str]) -> str | None:
    """The token; no secret may open two doors."""
    admin = root.section(manual.ADMIN)
    token = admin.get(manual.ADMIN_TOKEN)
    owners = {one.api_key: f"provider {one.name}" for one in topology.providers.values()}
    agents = root.table(manual.AGENTS)
    for agent, key in keys.items():
        if key in owners:
            agents[agent].fault(
                "key", f"this is the credential of {owners[key]}", "Make a key of its own."
            )
    owners |= {key: f"agent {agent}" for agent, key in keys.items()}
    if token is not None and token in owners:
        admin.fault("token", f"this is the credential of {owners[token]}", "Make one of its own.")
    return token


def _admin(given: Given, listen: Listen) -> AdminSettings:
    own = given.get(manual.ADMIN_LISTEN)
    if own is not None and own == listen and own.port:
        given.fault("listen", "calls are served at this address", "Choose another port.")
    return AdminSettings(
        enabled=given.get(manual.ADMIN_ENABLED),
        listen=own,
        origins=given.series(manual.ADMIN_ORIGINS),
        audit_keep_s=given.get(manual.AUDIT_KEEP),
    )


def _state(given: Given, folder: Path) -> StateSettings:
    return StateSettings(
        url=given.get(manual.STATE_URL),
        dir=folder / given.get(manual.STATE_DIR),
        on_store_loss=given.get(manual.ON_STORE_LOSS),
    )


def _queue(given: Given) -> QueueSettings:
    return QueueSettings(
        max_wait_s=given.get(manual.MAX_WAIT),
        max_depth=given.get(manual.MAX_DEPTH),
        ageing_s=given.get(manual.AGEING),
    )


def _server(given: Given) -> ServerSettings:
    return ServerSettings(
        workers=given.get(manual.WORKERS),
        max_connections=given.get(manual.MAX_CONNECTIONS),
        max_calls=given.get(manual.MAX_CALLS),
        max_held_bytes=given.get(manual.MAX_HELD),
        max_body_bytes=given.get(manual.MAX_BODY),
        max_upload_bytes=given.get(manual.MAX_UPLOAD),
        shutdown_grace_s=given.get(manual.SHUTDOWN_GRACE),
        header_timeout_s=given.get(manual.HEADER_TIMEOUT),
        body_timeout_s=given.get(manual.BODY_TIMEOUT),
        idle_timeout_s=given.get(manual.IDLE_TIMEOUT),
        write_timeout_s=given.get(manual.WRITE_TIMEOUT),
        hold_head_s=given.get(manual.HOLD_HEAD),
        hold_whole_s=given.get(manual.HOLD_WHOLE),
        keepalive_s=given.get(manual.KEEPALIVE),
        passthrough_tokens=given.get(manual.PASSTHROUGH_TOKENS),
        max_own_lanes=given.get(manual.MAX_OWN_LANES),
        models_ttl_s=given.get(manual.MODELS_TTL),
    )


def _explanations(given: Given) -> ExplanationSettings:
    return ExplanationSettings(
        keep_s=given.get(manual.EXPLANATIONS_KEEP),
        per_second=given.get(manual.EXPLANATIONS_PER_SECOND),
    )


def _logging(given: Given, folder: Path) -> LogSettings:
    file = given.get(manual.ACCESS_FILE)
    return LogSettings(
        access_log=given.get(manual.ACCESS_LOG),
        access_file=folder / file if file is not None else None,
        level=given.get(manual.LEVEL),
    )


__all__ = ["DEFAULT_FILE", "Listen", "load", "load_text"]
