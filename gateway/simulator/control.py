"""The control endpoints under `/_sim/`; they need no key and are not counted as calls."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from gateway.simulator.exchange import BadEncoding, BodyTooLarge, Exchange
from gateway.simulator.faults import FaultRule
from gateway.simulator.limits import Dimension
from gateway.simulator.settings import SimulatorSettings
from gateway.simulator.state import SimulatorState

PREFIX = "/_sim/"
_BODY_LIMIT = 1 << 20
Control = Callable[[Exchange, SimulatorState], Awaitable[object]]


class _Bad(Exception):  # noqa: N818 - answered as 400, never leaves this module
    """The request to the control endpoint makes no sense."""


class Consume(msgspec.Struct, forbid_unknown_fields=True):
    """An unannounced neighbour on the same account takes from a model's buckets.

    Attributes:
        dialect: Whose account.
        model: Which model's buckets.
        requests: Requests to take.
        input_tokens: From the input bucket.
        output_tokens: From the output bucket.
        tokens: From the combined bucket (OpenAI).
        force: Take even what is not there, so that buckets go below zero.
    """

    dialect: str
    model: str
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    tokens: int = 0
    force: bool = False


def consume(state: SimulatorState, wish: Consume) -> dict[str, int]:
    """Take what a neighbour wishes, as far as it is there; returns what was taken.

    Raises:
        ValueError: No such model.
    """
    model = state.catalogue.find(wish.dialect, wish.model)
    if model is None:
        raise ValueError(f"no model {wish.model!r} at {wish.dialect!r}")
    lane, now = state.lane(model), state.clock()
    taken: dict[str, int] = {}
    for dimension, amount in (
        (Dimension.REQUESTS, wish.requests),
        (Dimension.INPUT, wish.input_tokens),
        (Dimension.OUTPUT, wish.output_tokens),
        (Dimension.TOKENS, wish.tokens),
    ):
        if not amount:
            continue
        bucket = lane.bucket(dimension)
        if wish.force and bucket is not None:
            bucket.take(amount, now)
            taken[dimension] = amount
        else:
            taken[dimension] = lane.take_available(dimension, amount, now)
        state.ledger.consumed(dimension, taken[dimension])
    return taken


def merged(settings: SimulatorSettings, changes: dict[str, Any]) -> SimulatorSettings:
    """Settings with changes; mappings are changed key by key.

    Raises:
        ValueError: A name or a value makes no sense.
    """
    current: dict[str, Any] = msgspec.to_builtins(settings)
    for name, value in changes.items():
        if name not in current:
            raise ValueError(f"no setting {name!r}")
        old = current[name]
        both = isinstance(old, dict) and isinstance(value, dict)
        current[name] = {**old, **value} if both else value
    try:
        return msgspec.convert(current, SimulatorSettings)
    except msgspec.ValidationError as exc:
        raise ValueError(str(exc)) from exc


async def answer(exchange: Exchange, state: SimulatorState) -> None:
    """Answer a control request."""
    name = exchange.path[len(PREFIX) :]
    control = _CONTROLS.get((exchange.method, name))
    if control is None:
        await exchange.reply(404, msgspec.json.encode({"error": f"no {exchange.method} {name}"}))
        return
    try:
        result = await control(exchange, state)
    except (_Bad, ValueError, msgspec.ValidationError, BodyTooLarge, BadEncoding) as exc:
        text = str(exc) or type(exc).__name__
        await exchange.reply(400, msgspec.json.encode({"error": text}))
        return
    await exchange.reply(200, msgspec.json.encode(result))


async def _stats(exchange: Exchange, state: SimulatorState) -> object:
    del exchange
    return state.ledger.stats()


async def _log(exchange: Exchange, state: SimulatorState) -> object:
    since = exchange.query_value("since") or "0"
    if not since.isdigit():
        raise _Bad("since must be a record's seq")
    return list(state.ledger.since(int(since)))


async def _reset(exchange: Exchange, state: SimulatorState) -> object:
    del exchange
    state.reset()
    return {"ok": True}


async def _get_settings(exchange: Exchange, state: SimulatorState) -> object:
    del exchange
    return state.settings


async def _put_settings(exchange: Exchange, state: SimulatorState) -> object:
    changes = msgspec.json.decode(await exchange.read(_BODY_LIMIT))
    if not isinstance(changes, dict):
        raise _Bad("settings must be an object")
    state.configure(merged(state.settings, changes))
    return state.settings


async def _get_faults(exchange: Exchange, state: SimulatorState) -> object:
    del exchange
    return [{"rule": rule, "hits": hits} for rule, hits in state.faults.hits()]


async def _post_faults(exchange: Exchange, state: SimulatorState) -> object:
    rules = msgspec.json.decode(await exchange.read(_BODY_LIMIT), type=list[FaultRule])
    state.faults.set(rules)
    return {"rules": len(state.faults.hits())}


async def _delete_faults(exchange: Exchange, state: SimulatorState) -> object:
    del exchange
    state.faults.clear()
    return {"rules": 0}


async def _post_consume(exchange: Exchange, state: SimulatorState) -> object:
    wish = msgspec.json.decode(await exchange.read(_BODY_LIMIT), type=Consume)
    return consume(state, wish)


async def _captured(exchange: Exchange, state: SimulatorState) -> object:
    del exchange
    return list(state.captured)


_CONTROLS: dict[tuple[str, str], Control] = {
    ("GET", "stats"): _stats,
    ("GET", "log"): _log,
    ("POST", "reset"): _reset,
    ("GET", "settings"): _get_settings,
    ("PUT", "settings"): _put_settings,
    ("GET", "faults"): _get_faults,
    ("POST", "faults"): _post_faults,
    ("DELETE", "faults"): _delete_faults,
    ("POST", "consume"): _post_consume,
    ("GET", "captured"): _captured,
}
