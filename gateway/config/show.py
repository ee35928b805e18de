"""The configuration in force as a person may read it: each value with its origin, no secrets."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import Enum
from urllib.parse import urlsplit, urlunsplit

from gateway.domain.limits import Budget
from gateway.domain.routes import Route
from gateway.domain.topology import Agent, Lane, Provider

from . import prices, tracing
from .reading import Origin, Plain
from .reliability import ReliabilitySettings
from .settings import Settings

MASK = "********"


def effective(settings: Settings) -> dict[str, Plain]:
    """Every setting in force, in the shape of the file.

    Each value is `{"value": ..., "origin": "default" | "FILE:LINE" | "environment (NAME)"}`.
    Secrets that are set are shown as asterisks. Durations are in seconds, sizes in bytes, amounts
    in dollars.
    """
    shown = _with_origins(_plain(settings), "", settings.origins)
    assert isinstance(shown, dict)  # noqa: S101 - a dict goes in, so a dict comes out
    return shown


def _with_origins(value: Plain, path: str, origins: Mapping[str, Origin]) -> Plain:
    if isinstance(value, dict):
        return {
            key: _with_origins(inner, f"{path}.{key}" if path else key, origins)
            for key, inner in value.items()
        }
    if isinstance(value, list) and any(isinstance(inner, dict) for inner in value):
        return [_with_origins(inner, f"{path}[{i}]", origins) for i, inner in enumerate(value)]
    return {"value": value, "origin": str(origins.get(path, Origin()))}


def _plain(settings: Settings) -> dict[str, Plain]:
    topology = settings.topology
    return {
        "listen": str(settings.listen),
        "minute": settings.minute_s,
        "translation": topology.translation.value,
        "state": {
            "url": _masked_url(settings.state.url),
            "dir": str(settings.state.dir),
            "on_store_loss": settings.state.on_store_loss.value,
        },
        "admin": {
            "token": _masked(settings.admin_token),
            "enabled": settings.admin.enabled,
            "listen": _text(settings.admin.listen),
            "origins": list(settings.admin.origins),
            "audit_keep": settings.admin.audit_keep_s,
        },
        **items(settings),
        "queue": {
            "max_wait": topology.queue.max_wait_s,
            "max_depth": topology.queue.max_depth,
            "ageing": topology.queue.ageing_s,
        },
        "server": _server(settings),
        "logging": {
            "access_log": settings.logging.access_log,
            "access_file": _text(settings.logging.access_file),
            "level": settings.logging.level.value,
        },
        "explanations": {
            "keep": settings.explanations.keep_s,
            "per_second": settings.explanations.per_second,
        },
        "tracing": tracing.shown(settings.tracing),
        **_reliability(settings.reliability),
        **prices.shown(settings.prices),
        "cache": {
            "hold": settings.caching.hold_s,
            "gather": settings.caching.gather_s,
            "least": settings.caching.least_tokens,
        },
        "usage": {"keep": settings.usage.keep_s, "max_rows": settings.usage.max_rows},
        "routes": [_route(one) for one in settings.routes],
        "fallbacks": {name: list(models) for name, models in settings.topology.fallbacks.items()},
    }


def items(settings: Settings, *, revealed: bool = False) -> dict[str, dict[str, Plain]]:
    """Providers, lanes, teams and agents by name, as the file would have them.

    Args:
        settings: Where they are.
        revealed: With secrets as they are, for whoever reads them again; never to be shown.
    """
    topology, keys = settings.topology, settings.agent_keys
    secret = _revealed if revealed else _masked
    return {
        "providers": {name: _provider(one, secret) for name, one in topology.providers.items()},
        "lanes": {name: _lane(one) for name, one in topology.lanes.items()},
        "teams": {name: {"budget": _budget(one.budget)} for name, one in topology.teams.items()},
        "agents": {
            name: _agent(one, secret(keys.get(name))) for name, one in topology.agents.items()
        },
    }


def _reliability(settings: ReliabilitySettings) -> dict[str, Plain]:
    retries, breakers, runaways = settings.retries, settings.breakers, settings.runaways
    return {
        "retries": {
            "repeat": retries.repeat.value,
            "most": retries.most,
            "share": retries.share,
            "burst": retries.burst,
            "pause": retries.pause_s,
            "longest": retries.longest_s,
        },
        "breakers": {
            "in_row": breakers.in_row,
            "ratio": breakers.ratio,
            "volume": breakers.volume,
            "window": breakers.window_s,
            "slow_after": settings.slow_after_s,
            "slow_ratio": breakers.slow_ratio,
            "open": breakers.open_s,
            "longest": breakers.longest_s,
            "probes": breakers.probes,
            "enough": breakers.enough,
        },
        "failover": {
            "after": settings.failover.after_s,
            "second": {
                priority.value: _dollars(worth)
                for priority, worth in settings.failover.second_microusd.items()
            },
        },
        "runaways": {
            "mode": runaways.mode.value,
            "window": runaways.window_s,
            "repeated": runaways.repeated,
            "errors": runaways.errors,
            "spend_times": runaways.spend_times,
            "spend_least": _dollars(runaways.spend_least_microusd),
            "grown": runaways.grown,
            "grown_tokens": runaways.grown_tokens,
            "pause": runaways.pause_s,
        },
    }


def _server(settings: Settings) -> dict[str, Plain]:
    server = settings.server
    return {
        "workers": server.workers,
        "max_connections": server.max_connections,
        "max_calls": server.max_calls,
        "max_held": server.max_held_bytes,
        "max_body": server.max_body_bytes,
        "max_upload": server.max_upload_bytes,
        "shutdown_grace": server.shutdown_grace_s,
        "header_timeout": server.header_timeout_s,
        "body_timeout": server.body_timeout_s,
        "idle_timeout": server.idle_timeout_s,
        "write_timeout": server.write_timeout_s,
        "hold_head": server.hold_head_s,
        "hold_whole": server.hold_whole_s,
        "keepalive": server.keepalive_s,
        "passthrough_tokens": server.passthrough_tokens,
        "max_own_lanes": server.max_own_lanes,
        "models_ttl": server.models_ttl_s,
    }


def _provider(provider: Provider, secret: Callable[[str | None], str | None]) -> dict[str, Plain]:
    timeouts = provider.timeouts
    return {
        "dialect": provider.dialect.value,
        "base_url": provider.base_url,
        "api_key": "passthrough" if provider.passthrough else secret(provider.api_key) or "none",
        "timeouts": {
            "connect": timeouts.connect_s,
            "first_byte": timeouts.first_byte_s,
            "between_chunks": timeouts.between_chunks_s,
            "total": timeouts.total_s,
        },
        "max_connections": provider.max_connections,
        "tls_ca_file": provider.tls_ca_file,
        "translated_api": provider.translated_api.value,
        "replicas": list(provider.replicas),
    }


def _lane(lane: Lane) -> dict[str, Plain]:
    limits = lane.limits
    return {
        "provider": lane.provider,
        "models": list(lane.models),
        "limits": {
            "rpm": limits.rpm,
            "itpm": limits.itpm,
            "otpm": limits.otpm,
            "tpm": limits.tpm,
            "concurrency": limits.concurrency,
        },
        "margin": lane.margin,
        "counts_cached_input": lane.counts_cached_input,
        "charges_max_output": lane.charges_max_output,
        "floors": {priority.value: level for priority, level in lane.floors.items()},
        "ramp": {
            "after": lane.ramp.after_s,
            "start": lane.ramp.start,
            "over": lane.ramp.over_s,
        },
    }


def _agent(agent: Agent, key: str | None) -> dict[str, Plain]:
    return {
        "team": agent.team,
        "key": key,
        "priority": agent.priority.value,
        "weight": agent.weight,
        "models": list(agent.models),
        "cache_assist": agent.cache_assist,
        "budget": _budget(agent.budget),
        "route": {"floor": agent.floor, "ceiling": agent.ceiling},
    }


def _budget(budget: Budget) -> dict[str, Plain]:
    return {
        "rpm": budget.rpm,
        "tpm": budget.tpm,
        "concurrency": budget.concurrency,
        "usd_per_day": _dollars(budget.usd_per_day_micro),
        "usd_per_month": _dollars(budget.usd_per_month_micro),
        "mode": budget.mode.value,
    }


def _route(route: Route) -> dict[str, Plain]:
    match = route.match
    return {
        "match": {
            "model": match.model,
            "agents": list(match.agents),
            "teams": list(match.teams),
            "priorities": [_word(one) for one in match.priorities],
            "tags": list(match.tags),
            "path": match.path,
        },
        "name": route.name,
        "simple": route.simple,
        "complex": route.complex or None,
        "mode": route.mode.value,
        "threshold": route.threshold,
        "headers": [_word(one) for one in route.headers],
        "holdout": route.holdout,
        "margin": route.margin,
        "min_volume": route.min_volume,
        "scorer": route.scorer,
        "can": list(route.can),
        "context": route.context_tokens,
    }


def _word(word: Enum) -> str:
    return str(word.value)


def _text(value: object | None) -> str | None:
    return None if value is None else str(value)


def _dollars(micro: int | None) -> float | None:
    return None if micro is None else float(Decimal(micro) / 1_000_000)


def _masked(secret: str | None) -> str | None:
    return None if secret is None else MASK


def _revealed(secret: str | None) -> str | None:
    return secret


def _masked_url(url: str | None) -> str | None:
    """A store URL without its password; its query may hold one, too."""
    if url is None:
        return None
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    netloc = f"{MASK}@{host}" if "@" in parts.netloc else host
    query = MASK if parts.query else ""
    return urlunsplit((parts.scheme, netloc, parts.path, query, ""))
