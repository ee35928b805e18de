"""Reading `/v1/messages` bodies: validation, prompt blocks, what is asked (provider-facts A1, A5)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.simulator.answer import Ask, Tool
from gateway.simulator.anthropic.errors import invalid
from gateway.simulator.caching import MAX_BREAKPOINTS, TTL_LONG_S, TTL_SHORT_S, Block
from gateway.simulator.call import Body, encode
from gateway.simulator.errors import ApiError
from gateway.simulator.models import Model
from gateway.simulator.reading import items, last_text, strings
from gateway.simulator.tokenizer import byte_length, tokens_of_bytes

CURRENT_VERSION = "2026-10-21"
SIGNATURE_PREFIX = "c2lt"
IMAGE_TOKENS = 1500
MESSAGE_TOKENS = 3
TOOL_USE_TOKENS = 290
_MAX_MESSAGES = 100_000
_NO_SAMPLING = ("temperature", "top_p", "top_k")


@dataclass(frozen=True, slots=True)
class MessagesRequest:
    """A valid request.

    Attributes:
        ask: For the model.
        blocks: The prompt in cache order.
        cache_seed: What else separates prompt caches.
        stream: Whether to stream.
    """

    ask: Ask
    blocks: list[Block]
    cache_seed: bytes
    stream: bool

    @property
    def prompt_tokens(self) -> int:
        """The whole prompt."""
        return sum(b.tokens for b in self.blocks)


def read_messages(body: Body, model: Model, version: str, *, counting: bool) -> MessagesRequest:
    """Validate and read a body.

    Args:
        body: Parsed JSON.
        model: The model it names.
        version: The `anthropic-version` header.
        counting: True for `count_tokens`, which needs no `max_tokens`.

    Raises:
        ApiError: 400, as the API words it.
    """
    messages = body.get("messages")
    if not isinstance(messages, list):
        raise invalid("messages: Field required")
    if not 0 < len(messages) <= _MAX_MESSAGES:
        raise invalid("messages: at least one message is required")
    max_tokens = 1 if counting else _max_tokens(body, model)
    if version >= CURRENT_VERSION:
        _refuse_sampling(body)
    thinking, budget = _thinking(body, model, max_tokens)
    tools = _tools(body)
    blocks = list(_blocks(body, model, messages))
    _check_breakpoints(blocks)
    ask = Ask(
        model=model,
        last_text=_last_text(messages),
        turns=len(messages),
        max_tokens=max_tokens,
        tools=tools,
        forced=_forced(body, tools),
        thinking=thinking,
        thinking_budget=budget,
        stop=strings(body.get("stop_sequences")),
        json_schema=_schema(body.get("output_config")),
    )
    seed = f"{model.id}:{body.get('speed', 'standard')}".encode()
    return MessagesRequest(ask, blocks, seed, bool(body.get("stream")))


def _max_tokens(body: Body, model: Model) -> int:
    value = body.get("max_tokens")
    if value is None:
        raise invalid("max_tokens: Field required")
    if not isinstance(value, int) or isinstance(value, bool):
        raise invalid("max_tokens: Input should be a valid integer")
    if value < 0:
        raise invalid("max_tokens: Input should be greater than or equal to 0")
    if value > model.max_output_tokens:
        raise invalid(
            f"max_tokens: {value} > {model.max_output_tokens}, which is the maximum allowed "
            f"number of output tokens for {model.id}"
        )
    return value


def _refuse_sampling(body: Body) -> None:
    for name in _NO_SAMPLING:
        if body.get(name) is not None:
            raise invalid(f"{name}: Extra inputs are not permitted")


def _thinking(body: Body, model: Model, max_tokens: int) -> tuple[bool, int | None]:
    config = body.get("thinking")
    if config is None:
        return False, None
    kind = config.get("type") if isinstance(config, dict) else None
    if kind == "enabled":
        return True, _thinking_budget(config, model, max_tokens)
    if kind in ("adaptive", "between_tools"):
        return True, None
    if kind == "disabled":
        return False, None
    raise invalid("thinking.type: Input should be 'enabled', 'adaptive' or 'disabled'")


def _thinking_budget(config: Mapping[str, Any], model: Model, max_tokens: int) -> int:
    if model.rejects_thinking_enabled:
        raise invalid(f"thinking.type: 'enabled' is not supported by {model.id}; use 'adaptive'")
    budget = config.get("budget_tokens")
    if not isinstance(budget, int):
        raise invalid("thinking.budget_tokens: Field required")
    if budget < 1024:
        raise invalid("thinking.budget_tokens: Input should be greater than or equal to 1024")
    if budget >= max_tokens > 1:
        raise invalid("max_tokens must be greater than thinking.budget_tokens")
    return budget


def _tools(body: Body) -> list[Tool]:
    tools = body.get("tools") or []
    if not isinstance(tools, list):
        raise invalid("tools: Input should be a valid list")
    found = []
    for i, tool in enumerate(tools):
        if not isinstance(tool, dict) or not isinstance(tool.get("name"), str):
            raise invalid(f"tools.{i}.name: Field required")
        schema = tool.get("input_schema")
        found.append(Tool(tool["name"], schema if isinstance(schema, dict) else {}))
    return found


def _schema(config: Any) -> dict[str, Any] | None:
    """The schema of a structured answer, which wants its objects closed."""
    form = config.get("format") if isinstance(config, dict) else None
    if form is None:
        return None
    schema = form.get("schema") if isinstance(form, dict) else None
    if not isinstance(schema, dict) or form.get("type") != "json_schema":
        raise invalid("output_config.format.schema: Field required")
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        raise invalid(
            "output_config.format.schema: For 'object' type, 'additionalProperties' must be "
            "explicitly set to false"
        )
    return schema


def _forced(body: Body, tools: list[Tool]) -> list[str]:
    choice = body.get("tool_choice")
    if not isinstance(choice, dict):
        return []
    if choice.get("type") == "any":
        return [tools[0].name] if tools else []
    if choice.get("type") == "tool":
        name = choice.get("name")
        if not any(name == tool.name for tool in tools):
            raise invalid(f"tool_choice.name: tool '{name}' not found in provided tools")
        return [str(name)]
    return []


def _blocks(body: Body, model: Model, messages: list[Any]) -> Iterator[Block]:
    ratio = model.ratio_milli
    tools = body.get("tools") or []
    for i, tool in enumerate(tools):
        text = encode({k: v for k, v in tool.items() if k != "cache_control"})
        overhead = TOOL_USE_TOKENS if i == 0 else 0
        yield Block(text, tokens_of_bytes(len(text), ratio) + overhead, _ttl(tool))
    system = body.get("system")
    if isinstance(system, str):
        yield _text_block(system, ratio, 0.0)
    elif isinstance(system, list):
        for part in system:
            yield _content_block(part, ratio, "system")
    # Tool choice and thinking settings invalidate what follows them (provider-facts A5).
    switches = encode([body.get("tool_choice"), body.get("thinking"), body.get("output_config")])
    automatic = _ttl(body)
    tail: list[Block] = []
    for i, message in enumerate(messages):
        tail = list(_message_blocks(message, ratio, f"messages.{i}"))
        first = tail[0]
        tail[0] = Block(switches + first.content, first.tokens + MESSAGE_TOKENS, first.ttl_s)
        if i < len(messages) - 1:
            yield from tail
    if automatic and tail:
        last = tail[-1]
        tail[-1] = Block(last.content, last.tokens, last.ttl_s or automatic)
    yield from tail


def _message_blocks(message: Any, ratio: int, where: str) -> Iterator[Block]:
    if not isinstance(message, dict):
        raise invalid(f"{where}: Input should be an object")
    role, content = message.get("role"), message.get("content")
    if role not in ("user", "assistant", "system"):
        raise invalid(f"{where}.role: Input should be 'user' or 'assistant'")
    if isinstance(content, str):
        yield _text_block(content, ratio, 0.0, role)
        return
    if not isinstance(content, list) or not content:
        raise invalid(f"{where}.content: Input should be a valid string or a non-empty list")
    for j, part in enumerate(content):
        yield _content_block(part, ratio, f"{where}.content.{j}", role)


def _text_block(text: str, ratio: int, ttl_s: float, role: str = "") -> Block:
    content = f"{role}\0{text}".encode("utf-8", "surrogatepass")
    return Block(content, tokens_of_bytes(byte_length(text), ratio), ttl_s)


def _content_block(part: Any, ratio: int, where: str, role: str = "") -> Block:
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        raise invalid(f"{where}.type: Field required")
    kind = part["type"]
    if kind == "text":
        if not isinstance(part.get("text"), str):
            raise invalid(f"{where}.text: Field required")
        return _text_block(part["text"], ratio, _ttl(part), role)
    if kind == "thinking":
        _check_signature(part, where)
    content = encode([role, {k: v for k, v in part.items() if k != "cache_control"}])
    return Block(content, _part_tokens(part, ratio), _ttl(part))


def _check_signature(part: Mapping[str, Any], where: str) -> None:
    signature = part.get("signature")
    if not isinstance(signature, str) or not signature.startswith(SIGNATURE_PREFIX):
        raise invalid(f"{where}: Invalid `signature` in `thinking` block")


def _part_tokens(part: Mapping[str, Any], ratio: int) -> int:
    kind = part["type"]
    if kind in ("image", "document"):
        return IMAGE_TOKENS
    if kind == "tool_use":
        size = byte_length(str(part.get("name", ""))) + len(encode(part.get("input") or {}))
        return tokens_of_bytes(size, ratio)
    if kind == "thinking":
        return tokens_of_bytes(byte_length(str(part.get("thinking", ""))), ratio)
    if kind == "tool_result":
        return _result_tokens(part.get("content"), ratio)
    return tokens_of_bytes(len(encode(part)), ratio)


def _result_tokens(content: Any, ratio: int) -> int:
    if isinstance(content, str):
        return tokens_of_bytes(byte_length(content), ratio)
    total = 0
    for part in items(content):
        if isinstance(part, dict) and part.get("type") == "text":
            total += tokens_of_bytes(byte_length(str(part.get("text", ""))), ratio)
        else:
            total += IMAGE_TOKENS
    return total


def _ttl(part: Mapping[str, Any]) -> float:
    control = part.get("cache_control")
    if not isinstance(control, dict):
        return 0.0
    if control.get("type") != "ephemeral":
        raise invalid("cache_control.type: Input should be 'ephemeral'")
    ttl = control.get("ttl", "5m")
    if ttl not in ("5m", "1h"):
        raise invalid("cache_control.ttl: Input should be '5m' or '1h'")
    return TTL_LONG_S if ttl == "1h" else TTL_SHORT_S


def _check_breakpoints(blocks: list[Block]) -> None:
    ttls = [b.ttl_s for b in blocks if b.ttl_s]
    if len(ttls) > MAX_BREAKPOINTS:
        raise invalid(
            f"A maximum of {MAX_BREAKPOINTS} blocks with cache_control may be provided. "
            f"Found {len(ttls)}."
        )
    if ttls != sorted(ttls, reverse=True):
        raise invalid("cache_control: a ttl='1h' block must not come after a ttl='5m' block")


def _last_text(messages: list[Any]) -> str:
    last = messages[-1]
    return last_text(last.get("content")) if isinstance(last, dict) else ""


def check_context(request: MessagesRequest) -> None:
    """Refuse a prompt that is longer than the model reads.

    Raises:
        ApiError: 400.
    """
    tokens, limit = request.prompt_tokens, request.ask.model.context_tokens
    if tokens > limit:
        raise invalid(f"prompt is too long: {tokens} tokens > {limit} maximum")


def unknown_model(name: object) -> ApiError:
    """The answer to a model that does not exist, or none."""
    if name is None:
        return invalid("model: Field required")
    if not isinstance(name, str):
        return invalid("model: Input should be a valid string")
    return ApiError(404, "not_found_error", f"model: {name}")
