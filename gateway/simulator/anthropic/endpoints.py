"""The paths of the Anthropic API."""

from datetime import UTC, datetime

from gateway.simulator.answer import answer
from gateway.simulator.anthropic import errors, objects
from gateway.simulator.anthropic.answers import MessageWriter
from gateway.simulator.anthropic.requests import (
    MessagesRequest,
    check_context,
    read_messages,
    unknown_model,
)
from gateway.simulator.caching import plan_breakpoints
from gateway.simulator.call import Body, Call, Endpoint, encode
from gateway.simulator.errors import ApiError, Headers
from gateway.simulator.exchange import Exchange
from gateway.simulator.faults import FaultRule
from gateway.simulator.generation import generate, usage_of
from gateway.simulator.limits import Demand, Refusal
from gateway.simulator.models import Model
from gateway.simulator.settings import ANTHROPIC

ORGANIZATION = b"00000000-0000-4000-8000-000000000051"
_CREATED = datetime(2026, 1, 1, tzinfo=UTC).isoformat().replace("+00:00", "Z")


async def messages(call: Call) -> None:
    """`POST /v1/messages`."""
    body = await call.read_json()
    request = await _read(call, body, counting=False)
    check_context(request)
    state = call.state
    model = request.ask.model
    use = plan_breakpoints(
        state.caches[ANTHROPIC],
        request.blocks,
        seed=request.cache_seed,
        min_tokens=model.min_cache_tokens,
        now=state.clock(),
    )
    charged = use.prompt if model.counts_cache_reads else use.uncached + use.written
    call.admit(model, Demand(input_tokens=charged, needs_output=True))
    call.read_input(use)
    result = answer(request.ask, state.settings)
    usage = usage_of(call, use, result.tokens, result.thinking_tokens)
    writer = MessageWriter(call, result, usage, stream=request.stream)
    await generate(call, writer, use.writes)


async def count_tokens(call: Call) -> None:
    """`POST /v1/messages/count_tokens`: free, with a request limit of its own (provider-facts A7)."""
    body = await call.read_json()
    request = await _read(call, body, counting=True)
    lane = call.admit(request.ask.model, Demand(), counting=True)
    await call.reply({"input_tokens": request.prompt_tokens}, errors.limit_headers(call, lane))


async def _read(call: Call, body: Body, *, counting: bool) -> MessagesRequest:
    name = body.get("model")
    await call.meet(name, stream=body.get("stream") is True and not counting)
    version = call.exchange.header(b"anthropic-version")
    if not version:
        raise errors.invalid("anthropic-version: header is required")
    if call.model is None:
        raise unknown_model(name)
    return read_messages(body, call.model, version, counting=counting)


async def list_models(call: Call) -> None:
    """`GET /v1/models`."""
    await call.meet(None)
    found = [_model(m) for m in call.state.catalogue.of(ANTHROPIC)]
    await call.reply(
        {
            "data": found,
            "has_more": False,
            "first_id": found[0]["id"],
            "last_id": found[-1]["id"],
        }
    )


async def get_model(call: Call) -> None:
    """`GET /v1/models/{id}`."""
    await call.meet(None)
    name = call.exchange.path.rsplit("/", 1)[-1]
    model = call.state.catalogue.find(ANTHROPIC, name)
    if model is None:
        raise unknown_model(name)
    await call.reply(_model(model))


def _model(model: Model) -> dict[str, object]:
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.id.replace("-", " ").title(),
        "created_at": _CREATED,
        "lifecycle": "active",
        "max_input_tokens": model.context_tokens,
        "max_tokens": model.max_output_tokens,
    }


_ENDPOINTS: dict[tuple[str, str], Endpoint] = {
    ("POST", "/v1/messages"): messages,
    ("POST", "/v1/messages/count_tokens"): count_tokens,
    ("GET", "/v1/models"): list_models,
    ("POST", "/v1/messages/batches"): objects.create_batch,
    ("GET", "/v1/messages/batches"): objects.list_batches,
    ("POST", "/v1/files"): objects.upload_file,
    ("GET", "/v1/files"): objects.list_files,
}


class AnthropicDialect:
    """Anthropic for the engine."""

    name = ANTHROPIC
    failures_cost_a_request = False

    def key_of(self, exchange: Exchange) -> str:
        """`x-api-key`, else the bearer token."""
        key = exchange.header(b"x-api-key")
        return key or exchange.header(b"authorization").removeprefix("Bearer ")

    def route(self, exchange: Exchange) -> Endpoint | None:
        """By method and path; the query plays no part."""
        endpoint = _ENDPOINTS.get((exchange.method, exchange.path))
        if endpoint is not None or exchange.method != "GET":
            return endpoint
        if exchange.path.startswith("/v1/models/"):
            return get_model
        if exchange.path.startswith("/v1/messages/batches/"):
            return objects.get_batch
        return objects.get_file if exchange.path.startswith("/v1/files/") else None

    def base_headers(self, call: Call) -> Headers:
        """Headers of every response."""
        return [
            (b"request-id", call.request_id.encode()),
            (b"anthropic-organization-id", ORGANIZATION),
        ]

    def render(self, error: ApiError, call: Call) -> bytes:
        """The body of an error."""
        return encode(errors.error_body(error, call.request_id))

    def unauthorized(self, key: str) -> ApiError:
        """401."""
        message = "invalid x-api-key" if key else "x-api-key header is required"
        return ApiError(401, "authentication_error", message)

    def invalid(self, message: str) -> ApiError:
        """400."""
        return errors.invalid(message)

    def not_found(self, path: str) -> ApiError:
        """404."""
        return ApiError(404, "not_found_error", f"Not found: {path}")

    def too_large(self) -> ApiError:
        """413."""
        return ApiError(413, "request_too_large", "Request exceeds the maximum size")

    def refused(self, refusal: Refusal, call: Call) -> ApiError:
        """429 of a rate limit."""
        return errors.refused(refusal, call)

    def fault(self, rule: FaultRule) -> ApiError:
        """The error of a fault rule."""
        return errors.fault(rule)
