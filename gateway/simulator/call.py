"""One API call from its first byte to its record, whatever its dialect."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import msgspec

from gateway.simulator.caching import CacheUse
from gateway.simulator.errors import AnswerCut, ApiError, ClientGone, Headers
from gateway.simulator.exchange import JSON, BadEncoding, BodyTooLarge, Exchange
from gateway.simulator.faults import FaultRule
from gateway.simulator.ledger import CallRecord
from gateway.simulator.limits import Demand, Dimension, Lane, Refusal
from gateway.simulator.models import Model
from gateway.simulator.state import CapturedRequest, SimulatorState

Body = dict[str, Any]
_FAULTS_IN_ANSWER = ("hang", "cut", "garbage", "error_event")
_decode = msgspec.json.Decoder().decode
encode = msgspec.json.Encoder().encode


class Dialect(Protocol):
    """What the engine has to know of a dialect."""

    @property
    def name(self) -> str:
        """`anthropic`, `openai` or `gemini`."""

    @property
    def failures_cost_a_request(self) -> bool:
        """Whether a request that is answered with an error counts against the request limit."""

    def key_of(self, exchange: Exchange) -> str:
        """The credential presented, or empty."""

    def route(self, exchange: Exchange) -> "Endpoint | None":
        """Who answers a path."""

    def base_headers(self, call: "Call") -> Headers:
        """Headers of every response."""

    def render(self, error: ApiError, call: "Call") -> bytes:
        """The body of an error."""

    def unauthorized(self, key: str) -> ApiError:
        """The credential is missing or wrong."""

    def invalid(self, message: str) -> ApiError:
        """The request makes no sense."""

    def not_found(self, path: str) -> ApiError:
        """No such path."""

    def too_large(self) -> ApiError:
        """The body is over the limit."""

    def refused(self, refusal: Refusal, call: "Call") -> ApiError:
        """A rate limit has no room."""

    def fault(self, rule: FaultRule) -> ApiError:
        """The error that a fault rule means."""


Endpoint = Callable[["Call"], Awaitable[None]]


class Call:
    """A call and what has been learned about it so far."""

    __slots__ = (
        "charges_output",
        "dialect",
        "exchange",
        "faults",
        "lane",
        "model",
        "record",
        "request_id",
        "state",
    )

    def __init__(self, dialect: Dialect, exchange: Exchange, state: SimulatorState) -> None:
        """Open a record."""
        self.dialect = dialect
        self.exchange = exchange
        self.state = state
        self.request_id = state.new_id("req_")
        self.model: Model | None = None
        self.lane: Lane | None = None
        self.charges_output = False
        self.faults: dict[str, FaultRule] = {}
        retry = exchange.header(b"x-stainless-retry-count")
        self.record = state.ledger.open(
            CallRecord(
                time=state.wall(),
                dialect=dialect.name,
                path=exchange.path,
                key=dialect.key_of(exchange),
                client=exchange.header(state.settings.client_header.encode()),
                retry=int(retry) if retry.isdigit() else 0,
            )
        )

    async def run(self) -> None:
        """Answer the call and close its record."""
        record = self.record
        record.finish = "cut"
        try:
            await self._answer()
        except ApiError as error:
            await self._send_error(error)
        except ClientGone:
            record.finish = "gone"
        except AnswerCut:
            await self.exchange.connection.gone()  # or the server would write behind the cut
        finally:
            if self.lane is not None:
                self.lane.release()
            record.status = self.exchange.status
            self.state.ledger.close(record)

    async def _answer(self) -> None:
        key = self.state.settings.keys.get(self.dialect.name, "")
        if self.record.key != key:
            self.record.finish = "unauthorized"
            raise self.dialect.unauthorized(self.record.key)
        endpoint = self.dialect.route(self.exchange)
        if endpoint is None:
            raise self.dialect.not_found(self.exchange.path)
        await endpoint(self)

    async def _send_error(self, error: ApiError) -> None:
        record = self.record
        record.error = error.code or error.kind
        if record.finish != "unauthorized":
            record.finish = "refused" if error.refusal is not None else "error"
        if error.refusal is not None:
            record.limited_by = error.refusal.dimension
        elif self.dialect.failures_cost_a_request and "status" not in self.faults:
            self._charge_failure()
        headers = [*self.dialect.base_headers(self), *error.headers]
        await self.exchange.reply(error.status, self.dialect.render(error, self), headers)

    def _charge_failure(self) -> None:
        if self.model is not None and self.lane is None:
            self.state.lane(self.model).charge_failed(self.state.clock())

    async def read_bytes(self) -> bytes:
        """The decoded body.

        Raises:
            ApiError: Too large, or badly encoded.
        """
        limit = self.state.settings.max_body_bytes
        try:
            body = await self.exchange.read(limit)
        except BodyTooLarge as exc:
            raise self.dialect.too_large() from exc
        except BadEncoding as exc:
            raise self.dialect.invalid("The request body could not be decoded.") from exc
        if self.state.settings.capture:
            self._capture()
        return body

    def _capture(self) -> None:
        x = self.exchange
        self.state.captured.append(
            CapturedRequest(x.method, x.target, x.query, tuple(x.headers.items()), x.raw_body)
        )

    async def read_json(self) -> Body:
        """The body as a JSON object.

        Raises:
            ApiError: It is none.
        """
        data = await self.read_bytes()
        try:
            body = _decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise self.dialect.invalid(f"The body is not valid JSON: {exc}") from exc
        if not isinstance(body, dict):
            raise self.dialect.invalid("The body must be a JSON object.")
        return body

    async def meet(self, model: object, *, stream: bool = False) -> None:
        """The model is known: look it up and suffer the faults that strike before an answer.

        Raises:
            ApiError: A fault of kind `status`.
            ClientGone: The client left during a fault.
            AnswerCut: A fault cut the connection.
        """
        name = model if isinstance(model, str) else ""
        record = self.record
        record.model = name
        record.stream = stream
        self.model = self.state.catalogue.find(self.dialect.name, name)
        struck = self.state.faults.draw(
            self.dialect.name, record.path, name, record.client, stream=stream
        )
        if struck:
            self.faults = {rule.kind: rule for rule in struck}
            await self._before_answer()

    async def _before_answer(self) -> None:
        delay = self.faults.get("delay")
        if delay is not None:
            await self.exchange.pause(delay.delay_s or 0.0)
        status = self.faults.get("status")
        if status is not None:
            if status.status == 429:
                self.record.limited_by = "fault"
            raise self.dialect.fault(status)
        for kind in ("hang", "cut"):
            rule = self.faults.get(kind)
            if rule is not None and rule.after_chunks < 0:
                await self._strike(rule)

    async def _strike(self, rule: FaultRule) -> None:
        self.record.error = rule.kind
        if rule.kind == "hang":
            await self.exchange.pause(rule.delay_s)
            del self.faults["hang"]
        else:
            self.exchange.cut(reset=rule.how == "reset")

    def fault_in_answer(self) -> FaultRule | None:
        """The fault that will strike inside the answer, if any."""
        for kind in _FAULTS_IN_ANSWER:
            rule = self.faults.get(kind)
            if rule is not None:
                return rule
        return None

    def admit(self, model: Model, demand: Demand, *, counting: bool = False) -> Lane:
        """Charge the limits of `model`.

        Raises:
            ApiError: There is no room.
        """
        lane = self.state.lane(model, counting=counting)
        refusal = lane.admit(demand, self.state.clock())
        if refusal is not None:
            raise self.dialect.refused(refusal, self)
        self.lane = lane
        self.charges_output = demand.needs_output
        self.record.charge(Dimension.REQUESTS, 1)
        self.record.charge(Dimension.INPUT, demand.input_tokens)
        self.record.charge(Dimension.TOKENS, demand.tokens)
        return lane

    def read_input(self, use: CacheUse) -> None:
        """Note the input of an admitted call."""
        self.record.input_tokens = use.uncached
        self.record.cache_read_tokens = use.read
        self.record.cache_write_tokens = use.written

    def produce(self, tokens: int) -> None:
        """Output was produced."""
        self.record.output_tokens += tokens
        if self.lane is not None and self.charges_output:
            self.lane.produce(tokens, self.state.clock())
            self.record.charge(Dimension.OUTPUT, tokens)

    def done(self) -> None:
        """The last byte was handed over; the call is whole if the client is still there."""
        if self.exchange.connection.closed:
            raise ClientGone
        self.record.whole = 200 <= self.exchange.status < 300
        self.record.finish = "whole" if self.record.whole else "error"

    async def reply(
        self, body: Mapping[str, Any] | bytes, headers: Headers | None = None, status: int = 200
    ) -> None:
        """Answer with JSON (or bytes) and finish."""
        data = body if isinstance(body, bytes) else encode(body)
        fields = [*self.dialect.base_headers(self), *(headers or [])]
        await self.exchange.reply(status, data, fields, JSON)
        self.done()
