"""What a scenario runs on, how it drives an SDK, and how its results are compared.

A scenario is written once. `Client` hides whether the SDK's client is asynchronous, and `Ground`
whether it talks to the simulator or to a gateway in front of it.
"""

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, TypeAlias

from pydantic import BaseModel

from gateway.simulator import FaultRule, RunningSimulator

Result: TypeAlias = Any
"""Whatever a scenario got from its SDK: models, lists of events, exceptions."""
MODES = ("async", "sync")
TARGETS = ("direct", "gateway")


@dataclass(frozen=True, slots=True)
class Target:
    """Where an SDK is pointed at.

    Attributes:
        url: Without `/v1`.
        keys: The credential that is right here, by dialect.
    """

    url: str
    keys: Mapping[str, str]


@dataclass(slots=True)
class Client:
    """One SDK client, driven alike whether it blocks or not.

    Attributes:
        sdk: The client.
        blocking: Its methods block; they then run in a thread.
        errors: What the SDK raises.
        again: The same client with another key.
        fault: Orders a fault of the provider.
    """

    sdk: Any
    blocking: bool
    errors: tuple[type[Exception], ...]
    again: "Callable[[str], Client]"
    fault: Callable[[FaultRule], None]

    async def call(self, method: str, **arguments: Any) -> Result:
        """Call a method and return its result."""
        bound = attrgetter(method)(self.sdk)
        if self.blocking:
            return await asyncio.to_thread(bound, **arguments)
        return await bound(**arguments)

    async def each(self, method: str, **arguments: Any) -> list[Result]:
        """Call a method that gives a stream or pages, and collect it whole."""
        bound = attrgetter(method)(self.sdk)
        if self.blocking:
            return await asyncio.to_thread(lambda: list(bound(**arguments)))
        found = bound(**arguments)
        if inspect.isawaitable(found):
            found = await found
        return [one async for one in found]

    async def helped(
        self, method: str, final: str, **arguments: Any
    ) -> tuple[list[Result], Result]:
        """Use a stream helper: every event it gives, and what it makes of them."""
        bound = attrgetter(method)(self.sdk)
        if self.blocking:
            return await asyncio.to_thread(_helped, bound, final, arguments)
        async with bound(**arguments) as stream:
            events = [event async for event in stream]
            return events, await getattr(stream, final)()

    async def close(self) -> None:
        """Close the client."""
        if self.blocking:
            await asyncio.to_thread(self.sdk.close)
            return
        close = getattr(self.sdk, "aclose", None) or self.sdk.close
        await close()

    async def error(self, method: str, **arguments: Any) -> Any:
        """Call a method that must fail, and return the SDK's exception."""
        return await self._caught(self.call(method, **arguments))

    async def error_in_stream(self, method: str, **arguments: Any) -> Any:
        """The same for a stream that begins well."""
        return await self._caught(self.each(method, **arguments))

    async def _caught(self, attempt: Awaitable[Result]) -> Exception:
        try:
            found = await attempt
        except self.errors as error:
            return error
        raise AssertionError(f"no exception, but {found!r}")


def _helped(
    method: Callable[..., Any], final: str, arguments: Mapping[str, Any]
) -> tuple[list[Result], Result]:
    with method(**arguments) as stream:
        events = list(stream)
        return events, getattr(stream, final)()


@dataclass(slots=True)
class Ground:
    """The simulator, the ways to it, and what was made and seen so far."""

    simulator: RunningSimulator
    targets: Mapping[str, Target]
    clients: dict[tuple[str, ...], Client] = field(default_factory=dict)
    results: dict[tuple[str, ...], Result] = field(default_factory=dict)

    def fresh(self) -> None:
        """Nothing cached, counted, stored or broken at the providers."""
        self.simulator.state.reset()

    def fault(self, rule: FaultRule) -> None:
        """Let something go wrong at the providers."""
        self.simulator.state.faults.set([rule])

    async def close(self) -> None:
        """Close all clients."""
        for client in self.clients.values():
            await client.close()


Scenario: TypeAlias = Callable[[Client], Awaitable[Result]]


@dataclass(slots=True)
class Suite:
    """The scenarios of one SDK.

    Attributes:
        dialect: Whose.
        make: Makes a client for (target, key, whether it blocks).
        errors: What the SDK raises.
        scenarios: By name.
        name: Tells suites of one dialect apart.
    """

    dialect: str
    make: Callable[[Target, str, bool], Any]
    errors: tuple[type[Exception], ...]
    scenarios: dict[str, Scenario] = field(default_factory=dict)
    name: str = ""

    def __call__(self, play: Scenario) -> Scenario:
        """Take a function as a scenario (a decorator)."""
        self.scenarios[play.__name__] = play
        return play

    async def played(self, ground: Ground, target: str, mode: str, name: str) -> Result:
        """The result of a scenario, which is played once."""
        done = (self.dialect, self.name, target, mode, name)
        if done not in ground.results:
            ground.fresh()
            client = self._client(ground, target, mode, ground.targets[target].keys[self.dialect])
            ground.results[done] = normalised(await self.scenarios[name](client))
        return ground.results[done]

    def _client(self, ground: Ground, target: str, mode: str, key: str) -> Client:
        made = (self.dialect, self.name, target, mode, key)
        if made not in ground.clients:
            blocking = mode == "sync"
            ground.clients[made] = Client(
                self.make(ground.targets[target], key, blocking),
                blocking,
                self.errors,
                lambda other: self._client(ground, target, mode, other),
                ground.fault,
            )
        return ground.clients[made]


_NUMBERED = re.compile(r"\d{20,}")
_TIMES = frozenset(
    {"created", "created_at", "completed_at", "expires_at", "create_time", "sdk_http_response"}
)
_ERROR_FIELDS = (
    *("status_code", "code", "param", "type", "status", "message", "body", "details"),
    *("request_id", "error_type"),
)
# The gateway adds `x-should-retry: false` to a provider's spend refusal (provider-facts B4: SDKs
# would hammer it); tests/integration/test_spend_refusals.py holds it to that.
_ERROR_HEADERS = ("retry-after", "content-type")


def normalised(value: Result) -> Any:
    """A result as plain data, without ids and times, so that two of them can be equal."""
    if isinstance(value, BaseModel):
        return normalised(value.model_dump(mode="json", warnings=False))
    if isinstance(value, BaseException):
        return {"raised": type(value).__qualname__, **_told(value)}
    if isinstance(value, Mapping):
        return {k: "T" if k in _TIMES and v else normalised(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [normalised(one) for one in value]
    if isinstance(value, str):
        return _NUMBERED.sub("#", value)
    if value is None or isinstance(value, int | float | bytes):
        return value
    raise TypeError(f"no rule for {type(value)}")


def _told(error: BaseException) -> dict[str, Any]:
    told = {name: normalised(getattr(error, name, None)) for name in _ERROR_FIELDS}
    response = getattr(error, "response", None)
    headers = getattr(response, "headers", {})
    return told | {name: headers.get(name) for name in _ERROR_HEADERS}
