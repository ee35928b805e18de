"""One client call as the gateway understands it: dialect, endpoint, and the facts of its body."""

from dataclasses import dataclass, field
from enum import StrEnum

from .value import value


class Dialect(StrEnum):
    """A wire format."""

    ANTHROPIC = "anthropic"
    OPENAI = "openai"
    GEMINI = "gemini"


class Priority(StrEnum):
    """The band a call waits in."""

    URGENT = "urgent"
    NORMAL = "normal"
    BACKGROUND = "background"


class Endpoint(StrEnum):
    """What a path of a dialect does. Values are metric labels."""

    MESSAGES = "messages"
    COUNT_TOKENS = "count_tokens"
    CHAT = "chat"
    RESPONSES = "responses"
    EMBEDDINGS = "embeddings"
    GENERATE = "generate"
    MODELS = "models"
    """The model list (or one model), answered by the gateway itself."""
    PASSTHROUGH = "passthrough"
    """A path without a codec: authenticated, counted, forwarded, never retried."""


@value
class Matched:
    """What a dialect makes of a method and a path.

    Attributes:
        endpoint: What the path does.
        model: The model named in the path (Gemini), if any.
        stream: Whether the path itself asks for a stream (Gemini).
        events: Whether the query asks for that stream as server-sent events (Gemini `alt=sse`).
    """

    endpoint: Endpoint
    model: str | None = None
    stream: bool = False
    events: bool = False

    @property
    def in_array(self) -> bool:
        """The stream is one JSON array, written element by element (provider-facts B9)."""
        return self.stream and not self.events


@dataclass(frozen=True, slots=True)
class PromptPrefix:
    """A place where the prompt may be cut: everything up to it has this digest and length."""

    digest: bytes
    prompt_bytes: int


@value
class CallFacts:
    """What the gateway needs to know of a request body, extracted without changing it.

    Attributes:
        model: The model asked for, as the client wrote it.
        stream: Whether a streamed answer was asked for.
        max_output_tokens: The requested maximum, `None` if not stated.
        choices: How many answers were asked for (`n`, `candidateCount`).
        prompt_bytes: UTF-8 bytes of the prompt as it stands in the JSON (system, messages,
            tools), without base64 media.
        media_tokens: A stated estimate for images, audio and documents sent inline.
        text_only_output: False where output may be other than text.
        usage_requested: OpenAI chat streams only: the client asked for the usage chunk.
        session: A conversation identifier found in the body, if any.
        server_history: Part of the prompt is held by the provider (`previous_response_id`,
            `conversation`, `thread`), so `prompt_bytes` is not all of it.
        prefixes: Possible cache cut points, shortest first; for cache-aware estimates.
        cache_lifetime_s: The longest cache lifetime marked in the prompt (0: none marked).
        tools: Number of tools offered.
    """

    model: str
    stream: bool = False
    max_output_tokens: int | None = None
    choices: int = 1
    prompt_bytes: int = 0
    media_tokens: int = 0
    text_only_output: bool = True
    usage_requested: bool = True
    session: str | None = None
    server_history: bool = False
    prefixes: tuple[PromptPrefix, ...] = field(default=())
    cache_lifetime_s: int = 0
    tools: int = 0


@value
class Tie:
    """What keeps a conversation where it is.

    Attributes:
        what: In words.
        to_model: It is good at its model only; otherwise at all models of its account.
    """

    what: str
    to_model: bool


class BadCall(Exception):  # noqa: N818 - named for whose fault it is, not as an error class
    """The caller's body or path cannot be understood.

    Attributes:
        message: What is wrong and where, safe to show to the caller.
        param: The field at fault, if one is.
    """

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
