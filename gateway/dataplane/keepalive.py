"""Keeps a waiting client: what it gets while its call waits, over all turns of the call.

A stream's head is held back, since an early 200 costs the client its own retries (provider-facts
A2, B2), but not for long, since silence costs the client its patience (field-notes 14). When it
has been held for `hold_head_s`, counted from the arrival of the call, the head goes out, followed
by the bytes which this client survives (`Codec.keepalive`), until the provider's own first byte.

A whole answer has a status that must not be given away early: after a 200 there is no way to tell
an error that every SDK would raise. Its client gets the interim answer `102 Processing`, which
leaves the status open and resets the clocks of httpx, undici and Gemini CLI (provider-facts B0),
and it gets it only where silence would end the call: see `docs/waiting.md`.

Nothing begins while the provider works: a call that was never kept waiting for long is as slow
as the provider is, and shows the provider's own head. What has begun goes on meanwhile, for as
long as the provider may take for its first byte, and not longer: it cannot hide one that has
died. It ends before the first byte of the provider is passed on, so it cannot split an event.
"""

import asyncio
from collections.abc import Awaitable, Callable

from gateway.core.retrying import Step
from gateway.dialects.codec import Codec
from gateway.domain.admission import Expectation
from gateway.domain.outcome import FailurePhase, Reason, UpstreamFailure
from gateway.ports import Headers

from .call import Call
from .settings import DataPlaneSettings

_EVENTS = (b"content-type", b"text/event-stream; charset=utf-8")
_ARRAY = (b"content-type", b"application/json; charset=UTF-8")
_NO_CACHE = (b"cache-control", b"no-cache")


class KeepAlive:
    """Of one call. Costs next to nothing until the call has to wait.

    Attributes:
        begun: Signs of life are being sent; `stop` before anything else is sent to the client.
    """

    __slots__ = ("_call", "_codec", "_limit", "_settings", "_task", "_timer", "_waits")

    def __init__(self, call: Call, codec: Codec, settings: DataPlaneSettings) -> None:
        self._call = call
        self._codec = codec
        self._settings = settings
        self._waits = False
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._limit: asyncio.Timeout | None = None

    @property
    def begun(self) -> bool:
        """See the class."""
        return self._task is not None

    def wait(self) -> None:
        """The call asks for a turn."""
        self._waits = True

    def told(self, expectation: Expectation) -> None:
        """The call has to wait for its turn."""
        self._call.expect(expectation)
        self._arm()

    def pause(self) -> None:
        """The call waits, but not for a turn."""
        self._waits = True
        self._arm()

    def _arm(self) -> None:
        if self._waits and self._timer is None and self._task is None:
            call = self._call
            held_s = call.clock.monotonic() - call.accepted_at
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, self._hold_s() - held_s), self._begin)

    def rest(self) -> None:
        """The wait for a turn is over: what has not begun does not begin now."""
        self._waits = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def stop(self) -> None:
        """No byte is sent after this returns. Idempotent."""
        self.rest()
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(None)
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def watch(self, first_byte: Awaitable[Step], limit_s: float) -> Step:
        """Let the provider work, but not be silent for longer than this.

        Args:
            first_byte: The work; it calls `stop` as soon as the provider has answered.
            limit_s: How long it may take until then.

        Raises:
            UpstreamFailure: The provider was silent for too long.
        """
        try:
            async with asyncio.timeout(limit_s) as self._limit:
                return await first_byte
        except TimeoutError:
            message = "no first byte in time, while the client was kept waiting"
            raise UpstreamFailure(
                Reason.UPSTREAM_TIMEOUT, FailurePhase.HEAD, message, sent=True
            ) from None
        finally:
            self._limit = None

    def _hold_s(self) -> float:
        hurries = self._streams or self._codec.hurries(self._user_agent)
        return self._settings.hold_head_s if hurries else self._settings.hold_whole_s

    @property
    def _streams(self) -> bool:
        return self._call.facts is not None and self._call.facts.stream

    @property
    def _user_agent(self) -> str:
        return self._call.request.text(b"user-agent")

    def _begin(self) -> None:
        self._timer = None
        # Owned by this object: `stop` cancels and awaits it.
        work = self._ping() if self._streams else self._process()
        self._task = asyncio.get_running_loop().create_task(work)

    async def _ping(self) -> None:
        call = self._call
        await call.responder.start(200, self._head())
        call.tellable = True
        ping = self._codec.keepalive(call.matched, self._user_agent)
        await self._repeat(lambda: call.responder.chunk(ping))

    async def _process(self) -> None:
        client = self._call.request.client
        if client is not None:
            await self._repeat(client.processing)

    async def _repeat(self, sign: Callable[[], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await sign()
            over = asyncio.Event()  # a future could be cancelled just before its timer
            timer = loop.call_later(self._settings.keepalive_s, over.set)
            try:
                await over.wait()
            finally:
                timer.cancel()

    def _head(self) -> Headers:
        """The head of a stream that still waits, with what is known now."""
        call = self._call
        kind = _ARRAY if call.matched.in_array else _EVENTS
        return [kind, _NO_CACHE, *call.own_headers(settled=False), *call.eta()]
