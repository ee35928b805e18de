"""Who exists: providers, lanes, teams, agents, as one immutable snapshot that is swapped whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from .call import Dialect, Priority
from .limits import Budget, BudgetMode, LaneLimits
from .routes import Route
from .translating import TranslatedApi, Translating


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Per-phase limits of an upstream attempt, in seconds."""

    connect_s: float = 10.0
    first_byte_s: float = 900.0
    between_chunks_s: float = 600.0
    total_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class Provider:
    """One account: dialect, base URL, credential.

    Attributes:
        base_url: As that provider's own SDK wants it (OpenAI's ends in `/v1`), no trailing slash.
        api_key: The provider's credential; `None` sends none (local servers); never logged.
        passthrough: Forward the caller's own credential instead (subscription logins).
        translated_api: OpenAI's dialect only: how calls of other dialects are put.
        replicas: Further base URLs of the same server, each with a prompt cache of its own.
    """

    name: str
    dialect: Dialect
    base_url: str
    api_key: str | None = field(default=None, repr=False)
    passthrough: bool = False
    timeouts: Timeouts = Timeouts()
    max_connections: int = 1000
    tls_ca_file: str | None = None
    translated_api: TranslatedApi = TranslatedApi.CHAT
    replicas: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ramp:
    """How a lane begins again: a provider refuses traffic that rises too fast (field-notes 13).

    Attributes:
        after_s: Without a call for so long, it begins slowly; 0: never because of that.
        start: The share of its limits with which it begins.
        over_s: How long it takes to reach all of them; 0: no ramp at all.
    """

    after_s: float = 900.0
    start: float = 0.5
    over_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Lane:
    """The models of one provider that share one limit.

    Attributes:
        models: Glob patterns; a model belongs to the first lane of its provider that matches.
        margin: The share of each per-minute limit that is never used (0.01 is one per cent).
        counts_cached_input: Whether prompt-cache reads count against the input limit.
        charges_max_output: Whether the provider charges the requested maximum on arrival.
        floors: The share of each bucket that a band leaves for the bands above it.
        ramp: How it begins after a rest, or after a 429 that names no limit.
    """

    name: str
    provider: str
    models: tuple[str, ...]
    limits: LaneLimits = LaneLimits()
    margin: float = 0.01
    counts_cached_input: bool = False
    charges_max_output: bool = False
    floors: Mapping[Priority, float] = field(
        default_factory=lambda: {
            Priority.URGENT: 0.0,
            Priority.NORMAL: 0.05,
            Priority.BACKGROUND: 0.2,
        }
    )
    ramp: Ramp = Ramp()


@dataclass(frozen=True, slots=True)
class Team:
    """A group of agents with a common budget."""

    name: str
    budget: Budget = Budget()


@dataclass(frozen=True, slots=True)
class Agent:
    """Who is calling."""

    name: str
    team: str | None = None
    priority: Priority = Priority.NORMAL
    weight: float = 1.0
    budget: Budget = Budget()
    models: tuple[str, ...] = ("*",)
    """Glob patterns of the models it may use."""
    floor: str | None = None
    """No route gives it a model that is cheaper than this one."""
    ceiling: str | None = None
    """An enforced route moves its calls for dearer models wherever the simple one can answer."""
    cache_assist: bool = False
    """Its prompts are marked for the provider's cache, and its calls wait for each other's."""


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """Bounds of the queue, in seconds and tickets per lane."""

    max_wait_s: float = 120.0
    max_depth: int = 1000
    ageing_s: float = 30.0
    """A band with waiting tickets that was not served for so long rises one band."""


@dataclass(frozen=True, slots=True)
class Topology:
    """Everything the data plane needs to know, as one value.

    Attributes:
        minute_s: What "per minute" means in every limit.
        fallbacks: Lane name to what may answer when that lane cannot, in order: `MODEL`, or
            `PROVIDER/MODEL` for a model of a certain provider.
        routes: Policies in their order; the first that matches a call decides.
        translation: Which calls may be answered by a provider of another dialect.
    """

    providers: Mapping[str, Provider]
    lanes: Mapping[str, Lane]
    teams: Mapping[str, Team]
    agents: Mapping[str, Agent]
    queue: QueueSettings = QueueSettings()
    minute_s: float = 60.0
    fallbacks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    routes: tuple[Route, ...] = ()
    translation: Translating = Translating.ALL

    def lane_for(self, provider: str, model: str) -> Lane:
        """The lane of a model: the first that matches, or one of its own without limits.

        A model in no lane gets a lane named `PROVIDER/MODEL`, whose limits are learned.
        """
        for lane in self.lanes.values():
            if lane.provider == provider and any(fnmatchcase(model, p) for p in lane.models):
                return lane
        return default_lane(self.providers[provider], model)

    def hard_tpm(self, agent: Agent) -> int | None:
        """The smaller of an agent's and its team's `tpm`, as far as they are hard."""
        least = _hard_tpm(agent.budget)
        team = None if agent.team is None else self.teams.get(agent.team)
        other = None if team is None else _hard_tpm(team.budget)
        return other if least is None or (other is not None and other < least) else least


def _hard_tpm(budget: Budget) -> int | None:
    return budget.tpm if budget.mode is BudgetMode.HARD else None


def default_lane(provider: Provider, model: str) -> Lane:
    """A lane for a model that no configured lane names, with its dialect's charging rule.

    The rules are those of provider-facts A4 (Anthropic: cache reads free), B5 (OpenAI: maximum
    charged on arrival, cached tokens count) and B12 (Gemini: input only, cached tokens count).
    """
    return Lane(
        name=f"{provider.name}/{model}",
        provider=provider.name,
        models=(model,),
        counts_cached_input=provider.dialect is not Dialect.ANTHROPIC,
        charges_max_output=provider.dialect is Dialect.OPENAI,
    )
