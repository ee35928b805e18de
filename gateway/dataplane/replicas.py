"""Which replica of a provider's server a call goes to: the one that has its conversation's cache.

A local server (vLLM and the like) keeps prompt prefixes in each replica's own memory, so turns of a
conversation that are spread over replicas are computed anew at each. The replica is chosen by
rendezvous hashing: every gateway process chooses alike without being told, and when a replica is
added or taken away only its own conversations move. A call that is tried again goes to the next one.
"""

from dataclasses import replace
from hashlib import blake2b

from gateway.domain.call import CallFacts
from gateway.domain.topology import Agent

from .call import Call
from .session import session_of
from .target import Target


def at_replica(call: Call, agent: Agent, target: Target, facts: CallFacts | None) -> Target:
    """The same target, at one address of its provider."""
    provider = target.provider
    addresses = (provider.base_url, *provider.replicas)
    key = _conversation(call, agent, facts)
    ranked = sorted(addresses, key=lambda url: blake2b(key + url.encode(), digest_size=8).digest())
    chosen = ranked[call.attempts % len(ranked)]
    return replace(target, provider=replace(provider, base_url=chosen))


def _conversation(call: Call, agent: Agent, facts: CallFacts | None) -> bytes:
    """What calls have in common whose prompts begin alike; without any of it, chance."""
    session = session_of(call.request.fields, facts)
    if session is not None:
        return f"{agent.name}/{session.id}/{session.thread}/".encode()
    if facts is not None and facts.prefixes:
        return agent.name.encode() + facts.prefixes[0].digest
    return call.request_id.encode()
