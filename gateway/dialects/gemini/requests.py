"""The facts of a Gemini request: the path says model and action, the body says the rest.

Only the outline of a body is decoded; prompt text is measured where it stands. What the gateway
does not need is left for the provider to judge.
"""

import re

import msgspec

from gateway.domain.call import BadCall, CallFacts, Endpoint, Matched, PromptPrefix

from .fields import BODY, Fields, decoded, get, integer, items, objects
from .prompt import IMPLICIT_CACHE_LIFETIME_S, Prompt, implicit_cache_min_tokens

MAX_OUTPUT_TOKENS = 65_536
"""What a request without a maximum may produce (provider-facts B12)."""

_ANSWERS_IN_MEDIA = re.compile(r"(?:^|[-.])(?:image|tts|audio|live|imagen|veo)(?:[-.]|$)")


def read(matched: Matched, body: bytes) -> CallFacts:
    """Extract the facts from a decoded body.

    Raises:
        BadCall: Malformed JSON, or a wrong type in a field that the gateway needs.
    """
    model = matched.model
    if not model:
        raise BadCall("The path names no model: /v1beta/models/MODEL:generateContent.", "model")
    fields = objects(body, BODY)
    if matched.endpoint is Endpoint.EMBEDDINGS:
        return _embedding(model, fields, Prompt(body))
    if matched.endpoint is Endpoint.COUNT_TOKENS:
        nested = get(fields, "generateContentRequest", "generate_content_request")
        if nested is not None:
            fields = objects(nested, "generateContentRequest")
    return _generation(matched, model, fields, Prompt(body))


def _generation(matched: Matched, model: str, fields: Fields, prompt: Prompt) -> CallFacts:
    tools = _measure(fields, prompt)
    raw_config = get(fields, "generationConfig", "generation_config")
    config = {} if raw_config is None else objects(raw_config, "generationConfig")
    cached = get(fields, "cachedContent", "cached_content")
    min_tokens = implicit_cache_min_tokens(model)
    prefixes: tuple[PromptPrefix, ...] = ()
    if matched.endpoint is Endpoint.GENERATE and min_tokens is not None:
        prefixes = prompt.prefixes(min_tokens)
    return CallFacts(
        model=model,
        stream=matched.stream,
        max_output_tokens=_max_output(matched.endpoint, config),
        choices=_choices(config),
        prompt_bytes=prompt.prompt_bytes,
        media_tokens=prompt.media_tokens,
        text_only_output=_answers_in_text(model, config),
        server_history=cached is not None
        and bool(decoded(cached, str, "cachedContent", "a string")),
        prefixes=prefixes,
        cache_lifetime_s=IMPLICIT_CACHE_LIFETIME_S if prefixes else 0,
        tools=tools,
    )


def _measure(fields: Fields, prompt: Prompt) -> int:
    """Measure in the order in which the provider reads; return how many tools are offered."""
    system = get(fields, "systemInstruction", "system_instruction")
    if system is not None:
        objects(system, "systemInstruction")
        prompt.add(system)
    offered = 0
    tools = get(fields, "tools", "tools")
    if tools is not None:
        offered = sum(_tools_in(tool) for tool in items(tools, "tools"))
        prompt.add(tools)
    contents = get(fields, "contents", "contents")
    if contents is not None:
        for content in items(contents, "contents"):
            prompt.add(content)
    return offered


def _tools_in(raw: msgspec.Raw) -> int:
    """Functions count one by one; search, code execution and the like one each."""
    tool = objects(raw, "tools[]")
    functions = get(tool, "functionDeclarations", "function_declarations")
    if functions is None:
        return len(tool)
    return len(tool) - 1 + len(items(functions, "tools[].functionDeclarations"))


def _max_output(endpoint: Endpoint, config: Fields) -> int | None:
    stated = integer(
        get(config, "maxOutputTokens", "max_output_tokens"), "generationConfig.maxOutputTokens"
    )
    if endpoint is not Endpoint.GENERATE:
        return 0
    return stated or None  # 0 is how proto JSON writes a number that was not set


def _choices(config: Fields) -> int:
    stated = get(config, "candidateCount", "candidate_count")
    return integer(stated, "generationConfig.candidateCount") or 1


def _answers_in_text(model: str, config: Fields) -> bool:
    raw = get(config, "responseModalities", "response_modalities")
    if raw is None:
        return _ANSWERS_IN_MEDIA.search(model) is None
    name = "generationConfig.responseModalities"
    modalities = decoded(raw, list[str | int], name, "an array of strings")
    return all(str(kind).upper() in {"TEXT", "1"} for kind in modalities)


def _embedding(model: str, fields: Fields, prompt: Prompt) -> CallFacts:
    """`embedContent` holds one content, `batchEmbedContents` many requests with one each."""
    requests = get(fields, "requests", "requests")
    if requests is None:
        inner = [fields]
    else:
        inner = [objects(raw, "requests[]") for raw in items(requests, "requests")]
    for request in inner:
        content = get(request, "content", "content")
        if content is not None:
            objects(content, "content")
            prompt.add(content)
    return CallFacts(
        model=model,
        max_output_tokens=0,
        prompt_bytes=prompt.prompt_bytes,
        media_tokens=prompt.media_tokens,
        text_only_output=False,
    )
