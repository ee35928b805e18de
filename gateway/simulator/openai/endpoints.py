"""The paths of the OpenAI API."""

from gateway.simulator.call import Call, Endpoint, encode
from gateway.simulator.errors import ApiError, Headers
from gateway.simulator.exchange import Exchange
from gateway.simulator.faults import FaultRule
from gateway.simulator.limits import Refusal
from gateway.simulator.openai import errors, objects, responses
from gateway.simulator.openai.chat import chat_completions
from gateway.simulator.settings import OPENAI

_ENDPOINTS: dict[tuple[str, str], Endpoint] = {
    ("POST", "/v1/chat/completions"): chat_completions,
    ("POST", "/v1/responses"): responses.create_response,
    ("POST", "/v1/responses/input_tokens"): responses.count_input,
    ("POST", "/v1/responses/compact"): responses.compact,
    ("POST", "/v1/embeddings"): objects.embeddings,
    ("GET", "/v1/models"): objects.list_models,
    ("POST", "/v1/files"): objects.upload_file,
    ("GET", "/v1/files"): objects.list_objects,
    ("POST", "/v1/batches"): objects.create_batch,
    ("GET", "/v1/batches"): objects.list_objects,
}
_BY_PREFIX: tuple[tuple[str, Endpoint], ...] = (
    ("/v1/models/", objects.get_model),
    ("/v1/responses/", responses.get_response),
    ("/v1/files/", objects.get_object),
    ("/v1/batches/", objects.get_object),
)


class OpenAIDialect:
    """OpenAI for the engine."""

    name = OPENAI
    failures_cost_a_request = True

    def key_of(self, exchange: Exchange) -> str:
        """The bearer token."""
        return exchange.header(b"authorization").removeprefix("Bearer ")

    def route(self, exchange: Exchange) -> Endpoint | None:
        """By method and path."""
        endpoint = _ENDPOINTS.get((exchange.method, exchange.path))
        if endpoint is None and exchange.method == "GET":
            for prefix, found in _BY_PREFIX:
                if exchange.path.startswith(prefix):
                    return found
        return endpoint

    def base_headers(self, call: Call) -> Headers:
        """Headers of every response."""
        elapsed = call.state.clock() - call.record.started_s
        return [
            (b"x-request-id", call.request_id.encode()),
            (b"openai-organization", errors.ORGANIZATION.encode()),
            (b"openai-version", b"2020-10-01"),
            (b"openai-processing-ms", str(int(elapsed * 1000)).encode()),
        ]

    def render(self, error: ApiError, call: Call) -> bytes:
        """The body of an error."""
        del call
        return encode(errors.error_body(error))

    def unauthorized(self, key: str) -> ApiError:
        """401."""
        message = (
            f"Incorrect API key provided: {key[:4]}***."
            if key
            else "You didn't provide an API key. Use Authorization: Bearer YOUR_KEY."
        )
        return ApiError(401, "invalid_request_error", message, code="invalid_api_key")

    def invalid(self, message: str) -> ApiError:
        """400."""
        return errors.invalid(message)

    def not_found(self, path: str) -> ApiError:
        """404."""
        return ApiError(404, "invalid_request_error", f"Invalid URL ({path})")

    def too_large(self) -> ApiError:
        """413."""
        return ApiError(413, "invalid_request_error", "Request body is too large.")

    def refused(self, refusal: Refusal, call: Call) -> ApiError:
        """429 of a rate limit."""
        return errors.refused(refusal, call)

    def fault(self, rule: FaultRule) -> ApiError:
        """The error of a fault rule."""
        return errors.fault(rule)
