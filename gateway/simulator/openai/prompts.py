"""What chat and responses bodies have in common: the flattened prompt, maxima, tools."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.simulator.answer import Ask, Tool
from gateway.simulator.caching import CacheUse, plan_steps
from gateway.simulator.call import Body, Call, encode
from gateway.simulator.limits import Demand
from gateway.simulator.models import Model
from gateway.simulator.openai.errors import invalid
from gateway.simulator.settings import OPENAI
from gateway.simulator.tokenizer import byte_length, tokens_of_bytes

IMAGE_TOKENS = 765
MESSAGE_TOKENS = 4
_IMAGES = ("image_url", "input_image", "file", "input_file", "input_audio")


class Prompt:
    """A prompt as one run of bytes, its characters and its tokens."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.characters = 0
        self.tokens = 0

    def text(self, text: str) -> None:
        """Add text."""
        self._parts.append(text.encode("utf-8", "surrogatepass"))
        self.characters += len(text)
        self.tokens += tokens_of_bytes(byte_length(text))

    def json(self, value: object) -> None:
        """Add a structure, as its JSON."""
        data = encode(value)
        self._parts.append(data)
        self.characters += len(data)
        self.tokens += tokens_of_bytes(len(data))

    def content(self, content: Any) -> None:
        """Add message content: text, or a list of parts."""
        if content is None:
            return
        if isinstance(content, str):
            self.text(content)
            return
        if not isinstance(content, list):
            raise invalid("Invalid type for content: expected a string or a list.", "messages")
        for part in content:
            self._part(part)

    def _part(self, part: Any) -> None:
        if not isinstance(part, dict):
            raise invalid("Invalid content part: expected an object.", "messages")
        if part.get("type") in _IMAGES:
            self._parts.append(encode(part))
            self.tokens += IMAGE_TOKENS
        elif isinstance(part.get("text"), str):
            self.text(part["text"])
        else:
            self.json(part)

    def boundary(self, role: str) -> None:
        """A message begins."""
        self._parts.append(b"\0" + role.encode() + b"\0")
        self.tokens += MESSAGE_TOKENS

    @property
    def data(self) -> bytes:
        """All of it."""
        return b"".join(self._parts)


@dataclass(frozen=True, slots=True)
class OpenAIRequest:
    """A valid request.

    Attributes:
        ask: For the model.
        prompt: The whole prompt.
        requested_max: The requested maximum of output tokens, if any; what the limit is charged.
        cache_key: `prompt_cache_key`.
        stream: Whether to stream.
    """

    ask: Ask
    prompt: Prompt
    requested_max: int | None
    cache_key: str
    stream: bool

    @property
    def charge(self) -> int:
        """Tokens charged on arrival: max(requested maximum, characters / 4) (provider-facts B5)."""
        estimate = -(-self.prompt.characters // 4)
        return max(1, estimate, self.requested_max or 0)


def requested_max(body: Body, model: Model, *names: str) -> int | None:
    """The first of the named maxima that is set.

    Raises:
        ApiError: 400: no integer, not positive, or more than the model can.
    """
    for name in names:
        value = body.get(name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool):
            raise invalid(f"Invalid type for '{name}': expected an integer.", name, "invalid_type")
        if value < 1:
            raise invalid(
                f"Invalid '{name}': integer below minimum value. Expected a value >= 1, "
                f"but got {value} instead.",
                name,
                "integer_below_min_value",
            )
        if value > model.max_output_tokens:
            raise invalid(
                f"{name} is too large: {value}. This model supports at most "
                f"{model.max_output_tokens} completion tokens, whereas you provided {value}.",
                name,
            )
        return value
    return None


def read_tools(body: Body, prompt: Prompt) -> list[Tool]:
    """Function tools of either API; their definitions are part of the prompt.

    Raises:
        ApiError: 400.
    """
    tools = body.get("tools") or []
    if not isinstance(tools, list):
        raise invalid("Invalid type for 'tools': expected an array.", "tools", "invalid_type")
    found = []
    for i, tool in enumerate(tools):
        if not isinstance(tool, dict):
            raise invalid(f"Invalid type for 'tools[{i}]'.", f"tools[{i}]", "invalid_type")
        prompt.json(tool)
        function = tool.get("function") if "function" in tool else tool
        if isinstance(function, dict) and isinstance(function.get("name"), str):
            schema = function.get("parameters")
            found.append(Tool(function["name"], schema if isinstance(schema, dict) else {}))
    return found


def forced_tools(body: Body, tools: list[Tool]) -> list[str]:
    """Names that `tool_choice` forces, in either API's spelling."""
    choice = body.get("tool_choice")
    if choice == "required":
        return [tools[0].name] if tools else []
    if not isinstance(choice, Mapping):
        return []
    function = choice.get("function")
    name = function.get("name") if isinstance(function, Mapping) else choice.get("name")
    if not any(name == tool.name for tool in tools):
        raise invalid(f"Tool choice '{name}' not found in 'tools' parameter.", "tool_choice")
    return [str(name)]


def admit(call: Call, request: OpenAIRequest) -> CacheUse:
    """Check the context, charge the limits and split the prompt by the cache.

    Raises:
        ApiError: Prompt too long, or no room.
    """
    model = request.ask.model
    tokens = request.prompt.tokens
    if tokens > model.context_tokens:
        raise invalid(
            f"This model's maximum context length is {model.context_tokens} tokens. However, your "
            f"messages resulted in {tokens} tokens.",
            "messages",
            "context_length_exceeded",
        )
    call.admit(model, Demand(tokens=request.charge))
    state = call.state
    use = plan_steps(
        state.caches[OPENAI],
        request.prompt.data if tokens >= model.min_cache_tokens else b"",
        tokens,
        seed=f"{model.id}:{request.cache_key}".encode(),
        min_tokens=model.min_cache_tokens,
        now=state.clock(),
    )
    if not model.reports_cache_writes:
        use = CacheUse(use.uncached + use.written, use.read, writes=use.writes)
    call.read_input(use)
    return use
