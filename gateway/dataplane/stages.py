"""The stages before admission: each takes the call forward by one decision, or refuses it."""

import zlib
from math import isfinite
from urllib.parse import unquote

from gateway.core import charging
from gateway.dialects.codec import Codec
from gateway.dialects.registry import CODECS, match
from gateway.domain.admission import Charge, TicketRequest
from gateway.domain.call import BadCall, CallFacts, Dialect, Endpoint, Priority
from gateway.domain.outcome import Reason
from gateway.domain.topology import Agent, QueueSettings
from gateway.domain.usage import Usage
from gateway.ports import UpstreamRequest

from .body import decoded
from .call import Call, Plan
from .headers import upstream_headers
from .identify import without_query_key
from .parts import Parts
from .refused import refused
from .replicas import at_replica
from .tags import TAG, tags
from .target import Destinations, Target, upstream_target
from .translating import interpret, translatable

METERED = frozenset(
    {Endpoint.MESSAGES, Endpoint.CHAT, Endpoint.RESPONSES, Endpoint.EMBEDDINGS, Endpoint.GENERATE}
)
"""Endpoints that use tokens of a model's lane."""
_PROVIDER_PREFIX = "/p/"
_RAW_PREFIX = b"/p/"
_FINGERPRINT_BYTES = 16_384
_CHANGING = frozenset({"POST", "PUT", "PATCH"})


def locate(call: Call, destinations: Destinations) -> Codec:
    """Which dialect, and what the path does in it.

    Raises:
        Refused: `not_found`, `unknown_provider`, `upgrade_refused`.
    """
    request = call.request
    call.path, call.raw_path = request.path, request.raw_path
    if request.path.startswith(_PROVIDER_PREFIX):
        name, _, rest = request.path[len(_PROVIDER_PREFIX) :].partition("/")
        provider = destinations.provider_named(name)
        start, _, raw_rest = request.raw_path[len(_PROVIDER_PREFIX) :].partition(b"/")
        if not request.raw_path.startswith(_RAW_PREFIX) or unquote(start.decode()) != name:
            # With the slashes themselves encoded, what is matched here is not what is forwarded.
            raise refused(Reason.NOT_FOUND, "The slashes around a provider's name must be plain.")
        call.provider_name = name
        call.path = "/" + rest
        call.raw_path = b"/" + raw_rest
        call.codec = CODECS[provider.dialect]
        found = call.codec.match(request.method, call.path, request.query)
    else:
        pair = match(request.method, request.path, request.headers, request.query)
        found = None
        if pair is not None:
            call.codec, found = pair
    if call.codec is None or found is None:
        raise refused(Reason.NOT_FOUND, f"There is nothing at {request.path[:200]} here.")
    call.matched = found
    if b"upgrade" in request.fields and request.fields[b"upgrade"].lower() == b"websocket":
        raise refused(Reason.UPGRADE_REFUSED, "WebSocket is not offered here; use HTTP.")
    return call.codec


def preferences(call: Call, agent: Agent, queue: QueueSettings) -> None:
    """Priority, patience and tags, from the headers or the agent's defaults.

    Raises:
        Refused: `bad_request` for a header that cannot be understood.
    """
    call.agent = agent
    call.priority = agent.priority
    call.max_wait_s = queue.max_wait_s
    fields = call.request.fields
    if (value := fields.get(b"x-gateway-priority")) is not None:
        try:
            call.priority = Priority(value.decode("latin-1").strip().lower())
        except ValueError:
            raise refused(
                Reason.BAD_REQUEST, "x-gateway-priority must be urgent, normal or background."
            ) from None
    if (value := fields.get(b"x-gateway-max-wait")) is not None:
        call.max_wait_s = _seconds(value)
    if TAG in fields:
        call.tags = tags(call.request.headers)


def _seconds(value: bytes) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not isfinite(seconds) or seconds < 0:
        raise refused(
            Reason.BAD_REQUEST, "x-gateway-max-wait must be a number of seconds, 0 or more."
        )
    return seconds


def understand(call: Call, codec: Codec, max_body_bytes: int) -> CallFacts:
    """The facts of the body; for OpenAI streams, the body that makes the provider report usage.

    Raises:
        Refused: `bad_request`.
    """
    plain = decoded(call.request, call.body, max_body_bytes)
    try:
        facts = codec.read(call.matched, plain)
    except BadCall as fault:
        raise refused(Reason.BAD_REQUEST, fault.message, param=fault.param) from None
    call.facts = facts
    if facts.stream and not facts.usage_requested:
        call.body = codec.with_usage(call.matched, plain)
        call.body_changed = call.body is not plain
    return facts


def route(
    call: Call, codec: Codec, agent: Agent, facts: CallFacts | None, destinations: Destinations
) -> Target:
    """Choose provider, lane and model: exactly what was asked for.

    Raises:
        Refused: `unknown_model` when this agent may not use the model.
    """
    endpoint = call.matched.endpoint
    model = call.matched.model or "" if facts is None else facts.model
    if model and not destinations.may_use(agent, model):
        raise refused(
            Reason.UNKNOWN_MODEL,
            f"The model {model[:200]!r} is not among those that {agent.name} may use.",
            param="model",
        )
    if endpoint in METERED:
        return asked(call, codec, model, destinations)
    return destinations.side_lane(codec.dialect, call.provider_name, endpoint)


def asked(call: Call, codec: Codec, model: str, destinations: Destinations) -> Target:
    """The target of a model that the call names."""
    if call.provider_name is None and translatable(call.path, call.matched):
        return destinations.asked(codec.dialect, model)
    return destinations.find(codec.dialect, call.provider_name, model)


def plan(
    call: Call,
    codec: Codec,
    agent: Agent,
    facts: CallFacts | None,
    target: Target,
    parts: Parts,
) -> Plan:
    """Everything that one option needs: what it is charged, its ticket, its request.

    Raises:
        ValueError: The call cannot be put to this target's model.
        Untranslatable: It cannot be said in this target's dialect.
    """
    interpreter, matched = None, call.matched
    if target.provider.replicas:
        target = at_replica(call, agent, target, facts)
    if facts is not None and target.provider.dialect is not codec.dialect:
        interpreter, facts, request = interpret(call, codec, facts, target, parts)
        codec, matched = CODECS[target.provider.dialect], interpreter.translation.matched
    else:
        request = upstream_request(call, codec, facts, target, parts.settings.max_body_bytes)
        call.dropped = ()
    call.target = target
    admission = ticket(call, agent, target, charge(call, agent, target, facts, parts))
    return Plan(codec, matched, agent, target, facts, admission, request, interpreter)


def charge(
    call: Call, agent: Agent, target: Target, facts: CallFacts | None, parts: Parts
) -> Charge:
    """What to reserve, in the terms of the lane's provider.

    Args:
        call: On its way.
        agent: Who pays.
        target: Where it goes.
        facts: Of the body that goes there.
        parts: Of the data plane.
    """
    if facts is not None and call.matched.endpoint in METERED:
        guess = parts.book.estimate(agent.name, target.model, facts, parts.clock.monotonic())
        call.guess = guess
        use = Usage(
            input_tokens=guess.input_tokens - guess.cached_tokens,
            cache_read_tokens=guess.cached_tokens,
            output_tokens=guess.output_tokens,
        )
        cost = parts.price(target.provider, (target.model,), use, parts.clock.wall())
        hard_tpm = parts.directory.topology.hard_tpm(agent)
        return charging.expected(target.lane, facts, guess, cost.microusd, hard_tpm)
    if call.matched.endpoint is Endpoint.PASSTHROUGH and call.request.method in _CHANGING:
        return _stated(target, parts)
    return Charge(requests=1)


def _stated(target: Target, parts: Parts) -> Charge:
    """A charge for a call whose use cannot be read: so many tokens of a model without a price."""
    tokens = parts.settings.passthrough_tokens
    cost = parts.price(target.provider, ("",), Usage(tokens), parts.clock.wall())
    return Charge(
        requests=1,
        lane_input_tokens=tokens,
        lane_tokens=tokens,
        input_tokens=tokens,
        cost_microusd=cost.microusd,
    )


def ticket(call: Call, agent: Agent, target: Target, amount: Charge) -> TicketRequest:
    """What admission is asked for."""
    if not call.queued:
        retry_count = call.request.fields.get(b"x-stainless-retry-count", b"0")
        call.retried = retry_count not in {b"0", b""}
        call.fingerprint = _fingerprint(agent.name, call.body)
    call.queued = True
    call.tickets += 1
    name = call.request_id if call.tickets == 1 else f"{call.request_id}.{call.tickets}"
    return TicketRequest(
        ticket=name,
        lane=target.lane.name,
        agent=agent.name,
        team=agent.team,
        priority=call.priority,
        weight=agent.weight,
        charge=amount,
        max_wait_s=max(0.0, call.max_wait_s - call.wait_s),
        retry_of=call.fingerprint,
        is_retry=call.retried,
    )


def upstream_request(
    call: Call, codec: Codec, facts: CallFacts | None, target: Target, max_body_bytes: int
) -> UpstreamRequest:
    """What goes to the provider: the client's bytes, with the provider's credential.

    Raises:
        ValueError: Another model is to be called, and the request cannot be put to it.
    """
    request, provider = call.request, target.provider
    query, raw_path, body, plain = request.query, call.raw_path, call.body, call.body_changed
    if call.assisted is not None:
        body, plain = call.assisted, True
    if facts is not None and target.model and target.model != facts.model:
        whole = body if plain else decoded(request, body, max_body_bytes)
        raw_path, changed = codec.with_model(raw_path, whole, target.model)
        if changed is not whole:
            body, plain = changed, plain or whole is not body
    if codec.dialect is Dialect.GEMINI and not provider.passthrough:
        query = without_query_key(query)
    headers = upstream_headers(request.headers, provider, metered=facts is not None, plain=plain)
    return UpstreamRequest(
        method=request.method,
        target=upstream_target(provider, raw_path, query),
        headers=headers,
        body=body,
        content_length=len(body),
    )


def _fingerprint(agent: str, body: bytes) -> str:
    """Recognises the same call sent again by the same agent; long bodies by their ends.

    The end of a conversation is what changes between turns, so both ends suffice, and hashing
    stays far below the cost of everything else.
    """
    crc = zlib.crc32(body[-_FINGERPRINT_BYTES:], zlib.crc32(body[:_FINGERPRINT_BYTES]))
    return f"{agent}:{len(body):x}:{crc:x}"
