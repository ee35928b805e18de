"""The simulator as one raw ASGI application.

Anthropic, OpenAI and Gemini share a port: the path tells them apart, and where two APIs have the
same path (`/v1/models`, `/v1/files`) the headers that only one of their SDKs sends.

Failure policy: a call that breaks is recorded as cut and its connection is closed; nothing that
one call does ends the process.
"""

from collections.abc import Callable

from gateway.simulator import control
from gateway.simulator.anthropic.endpoints import AnthropicDialect
from gateway.simulator.call import Call, Dialect
from gateway.simulator.exchange import Exchange, Receive, Scope, Send
from gateway.simulator.gemini.endpoints import GeminiDialect
from gateway.simulator.ledger import Clock
from gateway.simulator.openai.endpoints import OpenAIDialect
from gateway.simulator.settings import SimulatorSettings
from gateway.simulator.state import SimulatorState, loop_time, wall_time

_ANTHROPIC: Dialect = AnthropicDialect()
_OPENAI: Dialect = OpenAIDialect()
_GEMINI: Dialect = GeminiDialect()

_OPENAI_ONLY = ("/v1/chat/", "/v1/responses", "/v1/embeddings", "/v1/batches")
_GEMINI_ONLY = ("/v1beta/", "/v1alpha/", "/upload/")


def dialect_of(exchange: Exchange) -> Dialect:
    """Whose request this is."""
    path, headers = exchange.path, exchange.headers
    if path.startswith("/v1/messages"):
        return _ANTHROPIC
    if path.startswith(_OPENAI_ONLY):
        return _OPENAI
    if path.startswith(_GEMINI_ONLY) or (path.startswith("/v1/models/") and ":" in path):
        return _GEMINI
    if b"anthropic-version" in headers or b"x-api-key" in headers:
        return _ANTHROPIC
    if b"x-goog-api-key" in headers or exchange.query_value("key"):
        return _GEMINI
    return _OPENAI


class SimulatorApp:
    """The application; its `state` may be read and changed in process."""

    def __init__(self, state: SimulatorState) -> None:
        """Serve from `state`."""
        self.state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise RuntimeError(f"unsupported scope {scope['type']!r}")
        exchange = Exchange(scope, receive, send, compress=self.state.settings.compress)
        if exchange.path.startswith(control.PREFIX):
            await control.answer(exchange, self.state)
        elif exchange.method == "HEAD" and exchange.path in {"/", "/api/hello"}:
            await exchange.reply(200, b"")
        else:
            await Call(dialect_of(exchange), exchange, self.state).run()


def create_app(
    settings: SimulatorSettings | None = None,
    clock: Clock = loop_time,
    wall: Callable[[], float] = wall_time,
) -> SimulatorApp:
    """The simulator with `settings`.

    Args:
        settings: How the providers behave.
        clock: Monotonic seconds; inject one to move limits without waiting.
        wall: Seconds since the epoch.
    """
    return SimulatorApp(SimulatorState(settings or SimulatorSettings(), clock, wall))
