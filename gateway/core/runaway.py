"""Finds agents that run away: loops that cost money all night and that nobody watches.

Four signs, each of them something that no agent does while it gets on with its work:

    sign      what is seen                                      evidence names
    --------  ------------------------------------------------  --------------------------------
    repeated  the same call again and again in a short time     how often, in how long
    errors    one call after the other that is refused as the   how many, the last status
              caller's own fault
    spend     far more money in a window than in such windows   both sums
              before; an agent's norm is its own
    context   a conversation that only ever grows, call by      how often, how many tokens
              call, beyond any use

Replicas tell each other what begins to look like a loop (`Sighting`), each from the second time on, so
that an agent whose calls are spread over n of them is found a few calls later. Norms and
conversations are each replica's own.

Counting tokens and probes for a single token, which clients make alike at each start, are no turns of
a loop. An SDK's own retries are not the agent's (`x-stainless-retry-count` above 0), nor are failures of
providers and limits of the gateway; neither counts. What is seen of one agent is bounded; times are
seconds of any one clock, given as arguments.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.domain.value import value

MAX_AGENTS = 10_000
MAX_CALLS = 256
"""Different calls of one agent that are told apart at once."""
MAX_CONTEXTS = 64
SIDE_CALLS = 3
"""So many smaller prompts in a row are no side calls any more: the context was cut down."""
KNOWN_WINDOWS = 6
"""Windows with spending before an agent has a norm."""
MEMORY = 0.8
"""What earlier windows weigh in the norm against the newest."""


class RunawayMode(StrEnum):
    """What is done about it."""

    OFF = "off"
    WARN = "warn"
    """Say so."""
    ENFORCE = "enforce"
    """Stop the agent for a while."""


@dataclass(frozen=True, slots=True)
class RunawaySettings:
    """From where on an agent runs away; 0 switches a sign off.

    Attributes:
        window_s: For `repeated`, `errors` and `spend`.
        repeated: Times that the same call is made in the window.
        errors: Calls in a row that are the caller's own fault, in the window.
        spend_times: Multiple of the agent's own norm that it spends in a window.
        spend_least_microusd: Less in a window is never too much.
        grown: Calls in a row of which each has a longer prompt than the one before.
        grown_tokens: Shorter prompts are never too long.
        pause_s: How long a stopped agent is stopped the first time; doubled each further time.
    """

    mode: RunawayMode = RunawayMode.WARN
    window_s: float = 300.0
    repeated: int = 20
    errors: int = 20
    spend_times: float = 10.0
    spend_least_microusd: int = 1_000_000
    grown: int = 100
    grown_tokens: int = 400_000
    pause_s: float = 900.0


@value
class Seen:
    """One finished call of an agent.

    Attributes:
        fingerprint: Equal for equal calls; empty if it cannot be recognised.
        retried: Sent again by the SDK itself.
        status: What the client got.
        caller_fault: It was refused as the caller's own fault.
        context: Names the conversation; empty if the client does not.
        prompt_tokens: All of the prompt, cached or not; 0 if nothing was answered.
    """

    agent: str
    fingerprint: str
    retried: bool
    status: int
    caller_fault: bool
    cost_microusd: int
    context: str
    prompt_tokens: int


@value
class Evidence:
    """Why an agent is thought to run away."""

    cause: str
    text: str


@value
class Sighting:
    """One more turn of what may be a loop, as replicas tell each other.

    Attributes:
        fingerprint: Of a call that was repeated; empty for an error.
        worked: A call of the agent went well after errors: they are not in a row.
    """

    agent: str
    fingerprint: str
    at_s: float
    worked: bool = False


@dataclass(slots=True)
class _Context:
    tokens: int = 0
    grown: int = 0
    smaller: int = 0

    def add(self, tokens: int) -> bool:
        """Whether it has grown by this call."""
        if tokens > self.tokens:
            self.tokens, self.grown, self.smaller = tokens, self.grown + 1, 0
            return True
        self.smaller += 1  # a title, a summary: a side call has a prompt of its own
        if self.smaller >= SIDE_CALLS:
            self.tokens, self.grown, self.smaller = tokens, 0, 0
        return False


@dataclass(slots=True)
class _Spending:
    until_s: float = 0.0
    microusd: int = 0
    norm_microusd: float = 0.0
    windows: int = 0

    def add(self, microusd: int, window_s: float, now_s: float) -> None:
        if now_s >= self.until_s:
            self._close()
            self.until_s = now_s + window_s
        self.microusd += microusd

    def _close(self) -> None:
        if self.microusd:
            kept = MEMORY if self.windows else 0.0
            self.norm_microusd = self.norm_microusd * kept + self.microusd * (1.0 - kept)
            self.windows += 1
        self.microusd = 0


@dataclass(slots=True)
class _Agent:
    calls: OrderedDict[str, float | deque[float]] = field(default_factory=OrderedDict)
    """When each call was made: most are made once."""
    errors: deque[float] = field(default_factory=deque)
    status: int = 0
    """Of the last error seen here."""
    spending: _Spending = field(default_factory=_Spending)
    contexts: OrderedDict[str, _Context] = field(default_factory=OrderedDict)


class RunawayWatch:
    """What one replica has seen of each agent.

    Args:
        settings: From where on an agent runs away.
        tell: Takes what the other replicas should hear.
    """

    def __init__(
        self, settings: RunawaySettings, tell: Callable[[Sighting], None] = lambda _: None
    ) -> None:
        self._settings = settings
        self._tell = tell
        self._agents: OrderedDict[str, _Agent] = OrderedDict()

    def see(self, seen: Seen, now_s: float) -> Evidence | None:
        """Take a call into account; the evidence if the agent now runs away."""
        if self._settings.mode is RunawayMode.OFF or seen.retried:
            return None
        agent = self._agent(seen.agent)
        return (
            self._repeated(agent, seen, now_s)
            or self._failing(agent, seen, now_s)
            or self._spending(agent, seen, now_s)
            or self._growing(agent, seen)
        )

    def hear(self, seen: Sighting) -> None:
        """Another replica has seen this; what follows from it shows with the next call here."""
        if self._settings.mode is RunawayMode.OFF:
            return
        agent = self._agent(seen.agent)
        if seen.worked:
            agent.errors.clear()
        elif seen.fingerprint:
            self._again(agent, seen.fingerprint, seen.at_s)
        else:
            self._error(agent, seen.at_s)

    def forget(self, agent: str) -> None:
        """An agent begins anew; its norm is kept."""
        known = self._agents.get(agent)
        if known is not None:
            self._agents[agent] = _Agent(spending=known.spending)
            known.spending.microusd = 0

    def _repeated(self, agent: _Agent, seen: Seen, now_s: float) -> Evidence | None:
        most = self._settings.repeated
        if not (most and seen.fingerprint):
            return None
        if seen.fingerprint in agent.calls:
            self._tell(Sighting(seen.agent, seen.fingerprint, now_s))
        return self._again(agent, seen.fingerprint, now_s)

    def _again(self, agent: _Agent, fingerprint: str, now_s: float) -> Evidence | None:
        most, calls = self._settings.repeated, agent.calls
        if not most:
            return None
        times = calls.get(fingerprint)
        if times is None and most > 1:
            calls[fingerprint] = now_s
            if len(calls) > MAX_CALLS:
                calls.popitem(last=False)
            return None
        if not isinstance(times, deque):
            first = () if times is None else (times,)
            times = calls[fingerprint] = deque(first, maxlen=most)
        calls.move_to_end(fingerprint)
        times.append(now_s)
        if len(times) < most or now_s - times[0] > self._settings.window_s:
            return None
        return Evidence(
            "repeated", f"the same call was made {most} times in {now_s - times[0]:.0f} s"
        )

    def _failing(self, agent: _Agent, seen: Seen, now_s: float) -> Evidence | None:
        errors = agent.errors
        if not seen.caller_fault:
            if seen.status < 400 and errors:
                errors.clear()
                self._tell(Sighting(seen.agent, "", now_s, worked=True))
            return None
        agent.status = seen.status
        if errors:
            self._tell(Sighting(seen.agent, "", now_s))
        return self._error(agent, now_s)

    def _error(self, agent: _Agent, now_s: float) -> Evidence | None:
        most, errors = self._settings.errors, agent.errors
        errors.append(now_s)
        while now_s - errors[0] > self._settings.window_s or len(errors) > max(most, 1):
            errors.popleft()
        if not most or len(errors) < most:
            return None
        last = f", the last one here with {agent.status}" if agent.status else ""
        return Evidence("errors", f"{most} calls in a row failed by its own fault{last}")

    def _spending(self, agent: _Agent, seen: Seen, now_s: float) -> Evidence | None:
        settings, spending = self._settings, agent.spending
        spending.add(seen.cost_microusd, settings.window_s, now_s)
        if not settings.spend_times or spending.windows < KNOWN_WINDOWS:
            return None
        bound = max(spending.norm_microusd * settings.spend_times, settings.spend_least_microusd)
        if spending.microusd <= bound:
            return None
        return Evidence(
            "spend",
            f"it spent ${spending.microusd / 1e6:.2f} within {settings.window_s:.0f} s, and usually "
            f"spends ${spending.norm_microusd / 1e6:.2f}",
        )

    def _growing(self, agent: _Agent, seen: Seen) -> Evidence | None:
        settings = self._settings
        if not (settings.grown and seen.context and seen.prompt_tokens):
            return None
        context = agent.contexts.get(seen.context)
        if context is None:
            context = agent.contexts[seen.context] = _Context()
            if len(agent.contexts) > MAX_CONTEXTS:
                agent.contexts.popitem(last=False)
        else:
            agent.contexts.move_to_end(seen.context)
        grew = context.add(seen.prompt_tokens)
        if not grew or context.grown < settings.grown or context.tokens < settings.grown_tokens:
            return None
        return Evidence(
            "context",
            f"a conversation grew {context.grown} calls in a row, to {context.tokens} tokens",
        )

    def _agent(self, name: str) -> _Agent:
        found = self._agents.get(name)
        if found is None:
            found = self._agents[name] = _Agent()
            if len(self._agents) > MAX_AGENTS:
                self._agents.popitem(last=False)
        else:
            self._agents.move_to_end(name)
        return found
