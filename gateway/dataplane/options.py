"""Where a call may go: the chosen target first, then what its lane falls back on.

Failure policy: what a call may not use, cannot be sent to, or would change its meaning there, is no
option: it is left out, and the call fares as if it were not configured.
"""

from gateway.domain.call import CallFacts, Endpoint
from gateway.domain.topology import Agent
from gateway.domain.translating import Translating

from .call import Call
from .target import Destinations, Target
from .translating import translatable

_SAME_MODEL_ONLY = frozenset({Endpoint.EMBEDDINGS})
"""Vectors of two models cannot be compared."""


def options(
    call: Call, agent: Agent, facts: CallFacts, chosen: Target, destinations: Destinations
) -> tuple[Target, ...]:
    """All targets of a call, in the order in which they are tried; never empty."""
    names = destinations.topology.fallbacks.get(chosen.lane.name)
    if not names:
        return (chosen,)
    found = [chosen]
    crosses = destinations.topology.translation is not Translating.OFF
    for name in names:
        target = destinations.named(name, chosen.provider.dialect)
        if target is None or target in found:
            continue
        if not fits(call, facts, chosen, target, crosses=crosses):
            continue
        if destinations.may_use(agent, target.model):
            found.append(target)
    return tuple(found)


def fits(call: Call, facts: CallFacts, chosen: Target, other: Target, *, crosses: bool) -> bool:
    """Whether another target can stand in for the chosen one.

    Args:
        call: On its way.
        facts: Of its body.
        chosen: The target that was asked for.
        other: The one in question.
        crosses: Calls may be translated for another dialect.
    """
    own = None if call.codec is None else call.codec.dialect
    if other.provider.dialect is not own and not (
        crosses and translatable(call.path, call.matched)
    ):
        return False  # this is the one place that says so
    if other.provider is not chosen.provider and (
        chosen.provider.passthrough or other.provider.passthrough
    ):
        return False  # the caller's own credential is good at one provider
    return other.model == facts.model or call.matched.endpoint not in _SAME_MODEL_ONLY
