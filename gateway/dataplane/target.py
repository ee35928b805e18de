"""Where a call goes: provider, lane and model, by what was asked for.

One `Destinations` belongs to one topology snapshot; a new snapshot gets a new one, so nothing
here is ever invalidated.
"""

import re
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from urllib.parse import unquote_to_bytes

from gateway.domain.call import Dialect, Endpoint
from gateway.domain.outcome import Reason
from gateway.domain.topology import Agent, Lane, Provider, Topology, default_lane
from gateway.domain.translating import Translating

from .refused import refused

_REMEMBERED = 10_000
MAX_MODEL_CHARACTERS = 256
"""Names become keys in the store, labels and header fields; no provider has longer ones."""
_DECODED_TIMES = 3
"""A provider's own proxies may decode a path once more each."""
_MAKERS = (
    ("claude-", Dialect.ANTHROPIC),
    ("gemini-", Dialect.GEMINI),
    ("gpt-", Dialect.OPENAI),
    ("o1", Dialect.OPENAI),
    ("o3", Dialect.OPENAI),
    ("o4", Dialect.OPENAI),
)
"""Whose a model is that no lane names."""
_WILDCARDS = frozenset("*?[")
_DOT_SEGMENT = re.compile(rb"(?:^|[/\\])\.\.?(?=[/\\;?#]|$)")


@dataclass(frozen=True, slots=True)
class Target:
    """A lane, and the model to call there."""

    provider: Provider
    lane: Lane
    model: str


class Destinations:
    """Finds targets in one topology; what was found is remembered, within bounds."""

    def __init__(self, topology: Topology, max_own_lanes: int) -> None:
        self.topology = topology
        self._max_own_lanes = max_own_lanes
        self._found: dict[tuple[Dialect, str | None, str], Target] = {}
        self._elsewhere: dict[tuple[Dialect, str], Provider | None] = {}
        self._own_lanes: dict[str, int] = {}
        self._allowed: dict[tuple[str, str], bool] = {}

    def provider_named(self, name: str) -> Provider:
        """The provider of a `/p/NAME/` path.

        Raises:
            Refused: `unknown_provider`.
        """
        provider = self.topology.providers.get(name)
        if provider is None:
            known = ", ".join(sorted(self.topology.providers)) or "none"
            raise refused(
                Reason.UNKNOWN_PROVIDER,
                f"There is no provider named {name!r} here (configured: {known}).",
            )
        return provider

    def find(self, dialect: Dialect, provider: str | None, model: str) -> Target:
        """The target of a model.

        Raises:
            Refused: `unknown_provider` when nobody here speaks the dialect; `bad_request` for a
                name that is too long to be one.
        """
        _check_length(model)
        key = (dialect, provider, model)
        found = self._found.get(key)
        if found is None:
            found = self._resolve(dialect, provider, model)
            if len(self._found) < _REMEMBERED:
                self._found[key] = found
        return found

    def asked(self, dialect: Dialect, model: str) -> Target:
        """The target of a model named by a client whose calls can be translated.

        Raises:
            Refused: See `find`.
        """
        if self.topology.translation is not Translating.ALL:
            return self.find(dialect, None, model)
        _check_length(model)
        key = (dialect, model)
        if key not in self._elsewhere:
            if len(self._elsewhere) >= _REMEMBERED:
                self._elsewhere.clear()
            self._elsewhere[key] = self._belongs_elsewhere(dialect, model)
        other = self._elsewhere[key]
        if other is None:
            return self.find(dialect, None, model)
        return self.find(other.dialect, other.name, model)

    def _belongs_elsewhere(self, dialect: Dialect, model: str) -> Provider | None:
        """The provider of another dialect whose model this is; `None` if it may be the caller's.

        A lane says so, if its pattern begins with a name and not with a wildcard, the caller's own
        dialect first; or, where no lane names the model, the name's beginning does. The caller's
        own credential is one of its dialect, so no provider that wants it is one.
        """
        found = None
        for lane in self.topology.lanes.values():
            if not any(
                one[:1] not in _WILDCARDS and fnmatchcase(model, one) for one in lane.models
            ):
                continue
            owner = self.topology.providers[lane.provider]
            if owner.dialect is dialect:
                return None
            if found is None and not owner.passthrough:
                found = owner
        if found is not None:
            return found
        maker = next((whose for sign, whose in _MAKERS if model.startswith(sign)), dialect)
        if maker is dialect:
            return None
        return next((one for one in self.speaking(maker) if not one.passthrough), None)

    def named(self, name: str, asked: Dialect) -> Target | None:
        """The target that a configuration names, `MODEL` or `PROVIDER/MODEL`; `None` if none is.

        Args:
            name: As configured.
            asked: The dialect of the call; for a model of which nothing else is known.
        """
        start, slash, rest = name.partition("/")
        if slash and (owner := self.topology.providers.get(start)) is not None:
            return self.find(owner.dialect, owner.name, rest)
        for lane in self.topology.lanes.values():
            if any(fnmatchcase(name, pattern) for pattern in lane.models):
                owner = self.topology.providers[lane.provider]
                return self.find(owner.dialect, owner.name, name)
        dialect = next((whose for sign, whose in _MAKERS if name.startswith(sign)), asked)
        return self.find(dialect, None, name) if self.speaking(dialect) else None

    def side_lane(self, dialect: Dialect, provider: str | None, endpoint: Endpoint) -> Target:
        """The target of a call without a model limit of its own: counting tokens, passing through.

        Providers keep separate limits for these (provider-facts A4), so they get their own lane.
        """
        found = self._provider(dialect, provider, "")
        lane = default_lane(found, endpoint.value)
        return Target(found, replace(lane, counts_cached_input=True, charges_max_output=False), "")

    def may_use(self, agent: Agent, model: str) -> bool:
        """Whether an agent's `models` patterns allow a model.

        Raises:
            Refused: `bad_request` for a name that is too long to be one.
        """
        if agent.models == ("*",):
            return True
        _check_length(model)
        key = (agent.name, model)
        allowed = self._allowed.get(key)
        if allowed is None:
            allowed = any(fnmatchcase(model, pattern) for pattern in agent.models)
            if len(self._allowed) < _REMEMBERED:
                self._allowed[key] = allowed
        return allowed

    def speaking(self, dialect: Dialect) -> list[Provider]:
        """All providers of a dialect, in the order of the configuration."""
        return [p for p in self.topology.providers.values() if p.dialect is dialect]

    def _resolve(self, dialect: Dialect, provider: str | None, model: str) -> Target:
        owner = self._provider(dialect, provider, model)
        lane = self.topology.lane_for(owner.name, model)
        if lane.name not in self.topology.lanes:
            lane = self._own_lane(owner, lane)
        return Target(owner, lane, model)

    def _provider(self, dialect: Dialect, provider: str | None, model: str) -> Provider:
        if provider is not None:
            return self.provider_named(provider)
        candidates = self.speaking(dialect)
        if not candidates:
            raise refused(
                Reason.UNKNOWN_PROVIDER,
                f"No provider here speaks the {dialect.value} dialect; add one under `providers`.",
            )
        names = {candidate.name for candidate in candidates}
        for lane in self.topology.lanes.values():
            if lane.provider in names and any(fnmatchcase(model, p) for p in lane.models):
                return self.topology.providers[lane.provider]
        return candidates[0]

    def _own_lane(self, owner: Provider, lane: Lane) -> Lane:
        count = self._own_lanes.get(owner.name, 0)
        if count >= self._max_own_lanes:
            return default_lane(owner, "other")
        self._own_lanes[owner.name] = count + 1
        return lane


def upstream_target(provider: Provider, raw_path: bytes, query: bytes) -> bytes:
    """Path and query on the provider's side.

    A base URL stands as the provider's own SDK wants it: OpenAI's ends in the version, which the
    client's path repeats; the others' do not.

    Raises:
        Refused: `bad_request` for a path with dot segments, encoded or not, which could lead out of
            the base URL's path.
    """
    if b"." in raw_path or b"%" in raw_path:
        _check_segments(raw_path)
    base = _base_path(provider.base_url)
    if provider.dialect is Dialect.OPENAI and raw_path.startswith(b"/v1/"):
        raw_path = raw_path[3:]
    path = base + raw_path
    return path + b"?" + query if query else path


def _check_segments(raw_path: bytes) -> None:
    path = raw_path
    for _ in range(_DECODED_TIMES):
        if _DOT_SEGMENT.search(path) is not None:
            raise refused(Reason.BAD_REQUEST, "A path must not have dot segments.")
        decoded = unquote_to_bytes(path)
        if decoded == path:
            return
        path = decoded


def _check_length(model: str) -> None:
    if len(model) > MAX_MODEL_CHARACTERS:
        raise refused(
            Reason.BAD_REQUEST,
            f"A model name has at most {MAX_MODEL_CHARACTERS} characters.",
            param="model",
        )


def _base_path(base_url: str) -> bytes:
    rest = base_url.split("://", 1)[-1]
    slash = rest.find("/")
    return b"" if slash < 0 else rest[slash:].rstrip("/").encode()
