"""The model list: what the providers of a dialect offer, as far as the agent may use it.

Failure policy: a provider that does not answer in time contributes the models that the
configuration names; pickers wait at most three seconds (Claude Code, provider-facts A9).
"""

import asyncio
from collections.abc import Iterable

from gateway.dialects.codec import Codec, ModelEntry, Reply
from gateway.domain.call import Dialect
from gateway.domain.outcome import UpstreamFailure
from gateway.domain.topology import Agent, Provider, Topology
from gateway.ports import UpstreamRequest

from .call import Call
from .headers import credential
from .parts import Parts
from .relay import read_bounded
from .target import Destinations, upstream_target

PATIENCE_S = 2.0
MAX_LIST_BYTES = 4 * 1024 * 1024
_PATHS = {
    Dialect.ANTHROPIC: (b"/v1/models", b"limit=1000"),
    Dialect.OPENAI: (b"/v1/models", b""),
    Dialect.GEMINI: (b"/v1beta/models", b"pageSize=1000"),
}
_ANTHROPIC_VERSION = (b"anthropic-version", b"2023-06-01")


class ModelLists:
    """Remembers each provider's list for a while."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._kept: dict[str, tuple[float, tuple[ModelEntry, ...]]] = {}

    async def reply(
        self, call: Call, codec: Codec, agent: Agent, destinations: Destinations
    ) -> Reply:
        """The list, or the one model that the path names, in the caller's dialect."""
        if call.provider_name is None:
            providers = destinations.speaking(codec.dialect)
        else:
            providers = [destinations.provider_named(call.provider_name)]
        lists = await asyncio.gather(
            *(self._of(provider, codec, destinations.topology) for provider in providers)
        )
        allowed = (e for entries in lists for e in entries if destinations.may_use(agent, e.model))
        return codec.list_models(_once(allowed), call.path, call.request.text(b"user-agent"))

    async def _of(
        self, provider: Provider, codec: Codec, topology: Topology
    ) -> tuple[ModelEntry, ...]:
        now = self._parts.clock.monotonic()
        kept = self._kept.get(provider.name)
        if kept is not None and now - kept[0] < self._parts.settings.models_ttl_s:
            return kept[1]
        try:
            async with asyncio.timeout(PATIENCE_S):
                entries = await self._ask(provider, codec)
        except (TimeoutError, UpstreamFailure):
            entries = ()
        if not entries:
            return kept[1] if kept is not None else _named(provider, topology)
        self._kept[provider.name] = (now, entries)
        return entries

    async def _ask(self, provider: Provider, codec: Codec) -> tuple[ModelEntry, ...]:
        path, query = _PATHS[provider.dialect]
        headers = [(b"accept-encoding", b"identity")]
        if provider.dialect is Dialect.ANTHROPIC:
            headers.append(_ANTHROPIC_VERSION)
        if provider.api_key is not None:
            headers.append(credential(provider.dialect, provider.api_key))
        request = UpstreamRequest("GET", upstream_target(provider, path, query), headers)
        response = await self._parts.upstream.send(provider, request)
        try:
            body, whole = await read_bounded(response, MAX_LIST_BYTES)
        finally:
            response.close()
        return codec.parse_models(body) if response.status == 200 and whole else ()


def _named(provider: Provider, topology: Topology) -> tuple[ModelEntry, ...]:
    """The models that the configuration names without a pattern."""
    return tuple(
        ModelEntry(model, model, 0, provider.name)
        for lane in topology.lanes.values()
        if lane.provider == provider.name
        for model in lane.models
        if not any(mark in model for mark in "*?[")
    )


def _once(entries: Iterable[ModelEntry]) -> list[ModelEntry]:
    """Each model once: the first provider that offers it counts."""
    return list({entry.model: entry for entry in reversed(list(entries))}.values())[::-1]
