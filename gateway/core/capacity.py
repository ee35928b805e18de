"""How many agents a lane carries, which limit binds first, and what one more does to waits.

An agent is a rate of interactions (calls to a model), each with so many tokens. Per dimension

    agents = limit per minute / amount per interaction / interactions per minute of one agent

where the amount is what the lane's provider counts: cache reads only if it counts them, the
requested maximum instead of the output if it charges that. For `concurrency`, the limit is divided
by the calls that one agent has in flight on average (Little's law).

Waits are estimated for arrivals at random (Poisson) whose sizes vary like an exponential law:

- a per-minute limit is a bucket that holds a minute and refills at a constant rate. The work W that
  an M/M/1 queue of the same load would hold is waited for only beyond what the bucket holds:
  `wait = W exp(-load * bucket / W)`, with W and the bucket in seconds of refill;
- `concurrency` is M/M/c: Erlang's C formula.

Agents that wait call less often, so the figures are too high near saturation, never too low. From a
load of 1 on waits grow without bound.
"""

from collections.abc import Iterator
from math import exp, floor, inf

from gateway.domain.limits import Dimension, LaneLimits
from gateway.domain.value import value

MINUTE_S = 60.0
_MOST_SERVERS = 100_000


@value
class Interaction:
    """One call of an agent on average; numbers of tokens need not be whole.

    Attributes:
        input_tokens: Fresh input.
        cache_read_tokens: Input read from a prompt cache.
        cache_write_tokens: Input written to one.
        output_tokens: Output, reasoning included.
        max_output_tokens: The maximum that is asked for; matters where the provider charges it.
        duration_s: How long it runs at the provider.
    """

    input_tokens: float = 0.0
    cache_read_tokens: float = 0.0
    cache_write_tokens: float = 0.0
    output_tokens: float = 0.0
    max_output_tokens: float = 0.0
    duration_s: float = 0.0

    @property
    def prompt_tokens(self) -> float:
        """The whole prompt, cached or not."""
        return self.input_tokens + self.cache_read_tokens + self.cache_write_tokens

    def uncached(self) -> "Interaction":
        """The same without a prompt cache."""
        return Interaction(
            input_tokens=self.prompt_tokens,
            output_tokens=self.output_tokens,
            max_output_tokens=self.max_output_tokens,
            duration_s=self.duration_s,
        )


@value
class Rules:
    """How a lane's provider counts.

    Attributes:
        counts_cached_input: Cache reads count against the input limit.
        charges_max_output: The requested maximum is charged in place of the output (`tpm`).
        margin: The share of each per-minute limit that is never used.
    """

    counts_cached_input: bool = False
    charges_max_output: bool = False
    margin: float = 0.0


@value
class Bound:
    """What one limit allows.

    Attributes:
        limit: Per minute, without the margin; calls at once for `concurrency`.
        per_interaction: What one interaction takes of it; seconds for `concurrency`.
        agents: How many agents it carries.
        load: The share of it that the given number of agents takes; above 1: too many.
        wait_s: What a call then waits for it on average; infinite from a load of 1 on.
        wait_with_one_more_s: The same with one more agent.
    """

    dimension: Dimension
    limit: float
    per_interaction: float
    agents: float
    load: float
    wait_s: float
    wait_with_one_more_s: float


@value
class Capacity:
    """What a lane carries.

    Attributes:
        bounds: One for each limit, the one that binds first.
        agents: The most agents that all limits carry, whole; `None`: nothing limits them.
    """

    bounds: tuple[Bound, ...]
    agents: int | None

    @property
    def binding(self) -> Bound | None:
        """The limit that is reached first."""
        return self.bounds[0] if self.bounds else None


def capacity(
    limits: LaneLimits, rules: Rules, each: Interaction, per_minute: float, agents: float
) -> Capacity:
    """What a lane carries, and how loaded it is by some agents.

    Args:
        limits: Of the lane.
        rules: How its provider counts.
        each: One interaction.
        per_minute: Interactions per minute of one agent, above 0.
        agents: How many there are, for loads and waits.
    """
    bounds = [
        _bound(dimension, limit, amount, per_minute, agents)
        for dimension, limit, amount in _demands(limits, rules, each)
    ]
    bounds.sort(key=lambda bound: bound.agents)
    return Capacity(tuple(bounds), floor(bounds[0].agents + 1e-9) if bounds else None)


def _demands(
    limits: LaneLimits, rules: Rules, each: Interaction
) -> Iterator[tuple[Dimension, float, float]]:
    counted = each.input_tokens + each.cache_write_tokens
    if rules.counts_cached_input:
        counted += each.cache_read_tokens
    both = counted + each.output_tokens
    if rules.charges_max_output:
        both = max(each.max_output_tokens, counted)
    share = 1 - rules.margin
    for dimension, limit, amount in (
        (Dimension.RPM, limits.rpm, 1.0),
        (Dimension.ITPM, limits.itpm, counted),
        (Dimension.OTPM, limits.otpm, each.output_tokens),
        (Dimension.TPM, limits.tpm, both),
    ):
        if limit is not None and amount > 0:
            yield dimension, limit * share, amount
    if limits.concurrency is not None and each.duration_s > 0:
        yield Dimension.CONCURRENCY, float(limits.concurrency), each.duration_s


def _bound(
    dimension: Dimension, limit: float, amount: float, per_minute: float, agents: float
) -> Bound:
    if dimension is Dimension.CONCURRENCY:
        carried = limit / (amount * per_minute / MINUTE_S)
    else:
        carried = limit / amount / per_minute
    waits = [wait_s(dimension, limit, amount, per_minute * count) for count in (agents, agents + 1)]
    load = agents / carried if carried else inf
    return Bound(dimension, limit, amount, carried, load, waits[0], waits[1])


def wait_s(dimension: Dimension, limit: float, amount: float, arrivals_per_minute: float) -> float:
    """What a call waits for a limit on average, by the approximation that is stated above."""
    if dimension is Dimension.CONCURRENCY:
        return _wait_for_a_place_s(int(limit), amount, arrivals_per_minute / MINUTE_S)
    service_s = amount / limit * MINUTE_S
    load = arrivals_per_minute / MINUTE_S * service_s
    if load >= 1:
        return inf
    if load <= 0:
        return 0.0
    work_s = load * service_s / (1 - load)
    return work_s * exp(-load * MINUTE_S / work_s)


def _wait_for_a_place_s(places: int, holding_s: float, arrivals_per_s: float) -> float:
    offered = arrivals_per_s * holding_s
    if places <= offered:
        return inf
    blocked = 1.0  # Erlang's B, place by place, which does not overflow
    for n in range(1, min(places, _MOST_SERVERS) + 1):
        blocked = offered * blocked / (n + offered * blocked)
    load = offered / places
    queued = blocked / (1 - load * (1 - blocked))
    return queued * holding_s / (places - offered)
