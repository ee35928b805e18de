"""The canonical model: what a request asks, what an answer says, in no dialect.

Values only. A message never follows another of its role (`merged`), and tool results stand before
anything else in theirs, as Anthropic wants it and the others allow.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from typing import TypeAlias

from gateway.domain.usage import Usage

Json: TypeAlias = Mapping[str, object]
"""A JSON object, such as a schema."""


class Role(Enum):
    """Who speaks."""

    USER = "user"
    ASSISTANT = "assistant"
    SYSTEM = "system"
    """Instructions in the middle of a conversation; those at its head are `Request.system`."""


@dataclass(frozen=True, slots=True)
class Text:
    """Words."""

    text: str


@dataclass(frozen=True, slots=True)
class Thought:
    """Reasoning that was shown, without the signature that only its own model can read."""

    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """A picture: base64 data of a media type, or a URL."""

    media_type: str = ""
    data: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A file to read: base64 data of a media type, or a URL."""

    media_type: str = ""
    data: str = ""
    url: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model wants a tool called. `arguments` is the text of a JSON object."""

    id: str
    name: str
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool answered to the call of that id."""

    call_id: str
    content: tuple[Text | Image | Document, ...]
    failed: bool = False


Part: TypeAlias = Text | Thought | Image | Document | ToolCall | ToolResult
Spoken: TypeAlias = Text | Thought | ToolCall
"""What a model says."""


@dataclass(frozen=True, slots=True)
class Message:
    """A turn."""

    role: Role
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Tool:
    """A function on offer.

    Attributes:
        schema: JSON schema of its arguments.
        strict: Arguments must fit the schema.
    """

    name: str
    schema: Json
    description: str = ""
    strict: bool = False


class Choosing(Enum):
    """How free the model is in its use of tools."""

    AUTO = "auto"
    ANY = "any"
    NONE = "none"
    ONE = "one"


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """Which tool to use; `name` with `Choosing.ONE` only."""

    choosing: Choosing
    name: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """The answer must be JSON, and fit a schema if there is one."""

    schema: Json | None = None
    name: str = ""
    description: str = ""


class Effort(StrEnum):
    """How hard to think, in OpenAI's words, of which the others have a part."""

    NONE = "none"
    MINIMAL = "minimal"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    XHIGH = "xhigh"
    MAX = "max"


@dataclass(frozen=True, slots=True)
class Thinking:
    """How to think.

    Attributes:
        effort: How hard; `None` if only a budget or nothing is told.
        budget_tokens: At most so many tokens.
        shown: The thoughts, or a summary of them, are wanted in the answer.
    """

    effort: Effort | None = None
    budget_tokens: int | None = None
    shown: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """A call to a model. `None` and empty leave a choice to the provider."""

    model: str
    messages: tuple[Message, ...]
    system: tuple[Text, ...] = ()
    stream: bool = False
    tools: tuple[Tool, ...] = ()
    choice: ToolChoice | None = None
    parallel: bool | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    stop: tuple[str, ...] = ()
    thinking: Thinking | None = None
    shape: Shape | None = None
    user: str = ""
    metadata: Json | None = None
    verbosity: str = ""
    cache_key: str = ""


class Finish(StrEnum):
    """Why an answer ends."""

    STOP = "stop"
    LENGTH = "length"
    TOOLS = "tools"
    SEQUENCE = "sequence"
    """A stop sequence of the request."""
    REFUSED = "refused"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. `id` is bare, without the prefix that its format puts before it."""

    id: str
    model: str
    parts: tuple[Spoken, ...]
    finish: Finish
    usage: Usage = Usage()  # noqa: RUF009 - frozen
    stop_sequence: str = ""


class FailureKind(StrEnum):
    """What is wrong, as far as a client acts on it."""

    INVALID = "invalid"
    CONTEXT = "context"
    """The prompt is longer than the model reads."""
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    TOO_LARGE = "too_large"
    RATE_LIMITED = "rate_limited"
    BILLING = "billing"
    OVERLOADED = "overloaded"
    TIMEOUT = "timeout"
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class Failure:
    """An error of the provider, in its own words."""

    kind: FailureKind
    message: str


@dataclass(frozen=True, slots=True)
class Begun:
    """A streamed answer begins; its usage is what is known by then."""

    id: str
    model: str
    usage: Usage = Usage()  # noqa: RUF009 - frozen


@dataclass(frozen=True, slots=True)
class PartBegun:
    """A part begins, still empty. Parts follow one another."""

    part: Spoken


@dataclass(frozen=True, slots=True)
class Delta:
    """More of the part that was begun: words, or the text of arguments."""

    text: str


@dataclass(frozen=True, slots=True)
class PartEnded:
    """The part is whole."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The answer is whole."""

    finish: Finish
    usage: Usage
    stop_sequence: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """The answer ends in an error."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Alive:
    """The provider is at work and has nothing to say yet."""


Event: TypeAlias = Begun | PartBegun | Delta | PartEnded | Ended | Failed | Alive


def merged(messages: Iterable[Message]) -> tuple[Message, ...]:
    """Turns of one role after another as one turn, tool results first; empty ones left out."""
    found: list[Message] = []
    for message in messages:
        if not message.parts:
            continue
        parts = message.parts
        if found and found[-1].role is message.role:
            parts = found.pop().parts + parts
        results = tuple(part for part in parts if isinstance(part, ToolResult))
        if results:
            parts = results + tuple(part for part in parts if not isinstance(part, ToolResult))
        found.append(Message(message.role, parts))
    return tuple(found)


def with_text(part: Spoken, text: str) -> Spoken:
    """A part, of which this is the text."""
    if isinstance(part, ToolCall):
        return replace(part, arguments=text)
    return replace(part, text=text)


def text_of(part: Spoken) -> str:
    """The text of a part: words, or arguments."""
    return part.arguments if isinstance(part, ToolCall) else part.text
