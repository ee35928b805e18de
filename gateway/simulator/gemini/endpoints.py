"""The paths of the Gemini API, under `/v1` and `/v1beta` alike (provider-facts B9)."""

from typing import Any

from gateway.simulator.answer import answer
from gateway.simulator.caching import CacheUse, plan_steps
from gateway.simulator.call import Call, Endpoint, encode
from gateway.simulator.embedding import vector
from gateway.simulator.errors import ApiError, Headers
from gateway.simulator.exchange import Exchange
from gateway.simulator.faults import FaultRule
from gateway.simulator.gemini import errors
from gateway.simulator.gemini.answers import GeminiWriter
from gateway.simulator.gemini.requests import count_contents, pick, read_generate
from gateway.simulator.generation import generate, usage_of
from gateway.simulator.limits import Demand, Refusal
from gateway.simulator.models import Model
from gateway.simulator.settings import GEMINI

_VERSIONS = ("/v1beta/", "/v1alpha/", "/v1/")
_EMBEDDING_DIMENSIONS = 768
_MAX_DIMENSIONS = 3072


def split_path(path: str) -> tuple[str, str]:
    """`/v1beta/models/M:verb` as `("models/M:verb", "v1beta")`."""
    for version in _VERSIONS:
        if path.startswith(version):
            return path[len(version) :], version.strip("/")
    return path.lstrip("/"), ""


async def _meet(call: Call, *, stream: bool = False) -> Model:
    rest, version = split_path(call.exchange.path)
    name = rest.removeprefix("models/").rsplit(":", 1)[0]
    await call.meet(name, stream=stream)
    if call.model is None:
        raise errors.unknown_model(name, version)
    return call.model


async def generate_content(call: Call) -> None:
    """`:generateContent`."""
    await _generate(call, stream=False)


async def stream_generate_content(call: Call) -> None:
    """`:streamGenerateContent`."""
    await _generate(call, stream=True)


async def _generate(call: Call, *, stream: bool) -> None:
    body = await call.read_json()
    model = await _meet(call, stream=stream)
    request = read_generate(body, model)
    tokens = request.prompt_tokens
    if tokens > model.context_tokens:
        raise errors.invalid(
            f"The input token count ({tokens}) exceeds the maximum number of tokens allowed "
            f"({model.context_tokens})."
        )
    state = call.state
    call.admit(model, Demand(input_tokens=tokens))
    cached = tokens >= model.min_cache_tokens
    use = plan_steps(
        state.caches[GEMINI],
        request.prompt if cached else b"",
        tokens,
        seed=model.id.encode(),
        min_tokens=model.min_cache_tokens,
        now=state.clock(),
    )
    use = CacheUse(use.uncached + use.written, use.read, writes=use.writes)
    call.read_input(use)
    answers = [answer(request.ask, state.settings, i) for i in range(request.ask.choices)]
    usage = usage_of(
        call, use, sum(a.tokens for a in answers), sum(a.thinking_tokens for a in answers)
    )
    writer = GeminiWriter(
        call,
        answers,
        usage,
        stream=stream,
        sse=call.exchange.query_value("alt") == "sse",
        include_thoughts=request.include_thoughts,
    )
    await generate(call, writer, use.writes)


async def count_tokens(call: Call) -> None:
    """`:countTokens`: contents, or a whole generateContentRequest."""
    body = await call.read_json()
    model = await _meet(call)
    inner = pick(body, "generateContentRequest")
    if isinstance(inner, dict):
        total = read_generate(inner, model).prompt_tokens
    else:
        total = count_contents(body.get("contents"))
    details = [{"modality": "TEXT", "tokenCount": total}]
    await call.reply({"totalTokens": total, "promptTokensDetails": details})


async def embed_content(call: Call) -> None:
    """`:embedContent`."""
    body = await call.read_json()
    model = await _meet(call)
    tokens = count_contents(body.get("content"))
    call.admit(model, Demand(input_tokens=tokens))
    call.read_input(CacheUse(tokens))
    await call.reply({"embedding": _embedding(body)})


async def batch_embed_contents(call: Call) -> None:
    """`:batchEmbedContents`."""
    body = await call.read_json()
    model = await _meet(call)
    requests = body.get("requests")
    if not isinstance(requests, list) or not all(isinstance(r, dict) for r in requests):
        raise errors.invalid("* BatchEmbedContentsRequest.requests: at least one is required")
    tokens = sum(count_contents(r.get("content")) for r in requests)
    call.admit(model, Demand(input_tokens=tokens))
    call.read_input(CacheUse(tokens))
    await call.reply({"embeddings": [_embedding(r) for r in requests]})


def _embedding(request: dict[str, Any]) -> dict[str, Any]:
    dimensions = pick(request, "outputDimensionality")
    if dimensions is None:
        dimensions = _EMBEDDING_DIMENSIONS
    if not isinstance(dimensions, int) or not 1 <= dimensions <= _MAX_DIMENSIONS:
        raise errors.invalid("Invalid value at 'output_dimensionality'.")
    text = encode(request.get("content")).decode()
    return {"values": vector(text, dimensions)}


async def list_models(call: Call) -> None:
    """`GET /models`."""
    await call.meet(None)
    await call.reply({"models": [_model(m) for m in call.state.catalogue.of(GEMINI)]})


async def get_model(call: Call) -> None:
    """`GET /models/{id}`."""
    await call.reply(_model(await _meet(call)))


async def upload_file(call: Call) -> None:
    """`POST /upload/{version}/files`: takes any bytes."""
    data = await call.read_bytes()
    await call.meet(None)
    name = f"files/{call.state.new_id('f')}"
    file = {"name": name, "sizeBytes": str(len(data)), "state": "ACTIVE"}
    call.state.keep(name, file)
    await call.reply({"file": file})


def _model(model: Model) -> dict[str, Any]:
    methods = ["generateContent", "countTokens"] if model.max_output_tokens else ["embedContent"]
    return {
        "name": f"models/{model.id}",
        "version": "001",
        "displayName": model.id,
        "inputTokenLimit": model.context_tokens,
        "outputTokenLimit": model.max_output_tokens,
        "supportedGenerationMethods": methods,
    }


_VERBS: dict[str, Endpoint] = {
    "generateContent": generate_content,
    "streamGenerateContent": stream_generate_content,
    "countTokens": count_tokens,
    "embedContent": embed_content,
    "batchEmbedContents": batch_embed_contents,
}


class GeminiDialect:
    """Gemini for the engine."""

    name = GEMINI
    failures_cost_a_request = True

    def key_of(self, exchange: Exchange) -> str:
        """`x-goog-api-key`, `?key=`, or the bearer token."""
        return (
            exchange.header(b"x-goog-api-key")
            or exchange.query_value("key")
            or exchange.header(b"authorization").removeprefix("Bearer ")
        )

    def route(self, exchange: Exchange) -> Endpoint | None:
        """By method and path."""
        rest, _ = split_path(exchange.path)
        if exchange.method == "POST":
            if rest.startswith("upload/"):
                return upload_file
            model, _, verb = rest.rpartition(":")
            return _VERBS.get(verb) if model.startswith("models/") else None
        if exchange.method != "GET":
            return None
        if rest == "models":
            return list_models
        return get_model if rest.startswith("models/") else None

    def base_headers(self, call: Call) -> Headers:
        """Headers of every response."""
        elapsed = call.state.clock() - call.record.started_s
        return [
            (b"vary", b"Origin"),
            (b"server-timing", f"gfet4t7; dur={int(elapsed * 1000)}".encode()),
        ]

    def render(self, error: ApiError, call: Call) -> bytes:
        """The body of an error; a JSON array stream gets it inside an array."""
        body: Any = errors.error_body(error)
        if call.record.stream and call.exchange.query_value("alt") != "sse":
            body = [body]
        return encode(body)

    def unauthorized(self, key: str) -> ApiError:
        """Missing: 403; wrong: 400."""
        if key:
            return errors.bad_key()
        message = (
            "Method doesn't allow unregistered callers (callers without established identity)."
        )
        return ApiError(403, "PERMISSION_DENIED", message)

    def invalid(self, message: str) -> ApiError:
        """400."""
        return errors.invalid(message)

    def not_found(self, path: str) -> ApiError:
        """404."""
        return ApiError(404, "NOT_FOUND", f"The requested URL {path} was not found.")

    def too_large(self) -> ApiError:
        """413."""
        return ApiError(413, "INVALID_ARGUMENT", "Request payload size exceeds the limit.")

    def refused(self, refusal: Refusal, call: Call) -> ApiError:
        """429 of a rate limit."""
        return errors.refused(refusal, call)

    def fault(self, rule: FaultRule) -> ApiError:
        """The error of a fault rule."""
        return errors.fault(rule)
