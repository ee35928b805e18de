"""What requests can ask for, and what becomes of it in a format that does not know it.

A `Feature` is something that at least two formats know, under names of their own. What only one
format knows stands in that format's `FIELDS`. Before a request is written in a format, `fit` takes
out what that format lacks: by refusing the call, or, where the answer is as good without it, by
leaving it out and listing it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum

from .canonical import (
    Choosing,
    Document,
    Image,
    Message,
    Part,
    Request,
    Role,
    Text,
    Thought,
    ToolResult,
    merged,
)
from .fields import Treatment
from .untranslatable import Dropped, Untranslatable

PDF = "application/pdf"
PLAIN = "text/plain"


class Feature(StrEnum):
    """Something a request can ask for; the value is its name in the documentation."""

    SYSTEM_INSIDE = "instructions inside the conversation"
    IMAGE_URL = "image by URL"
    PDF = "PDF as data"
    PLAIN_TEXT = "plain-text document"
    DOCUMENT_URL = "document by URL"
    RESULT_IMAGE = "image or document in a tool's result"
    RESULT_FAILED = "tool result marked as failed"
    THOUGHTS = "thoughts in the history"
    TOOL_CHOICE = "tool choice: auto, none, any, one"
    PARALLEL = "parallel tool calls off"
    STRICT = "strict tool arguments"
    SCHEMA = "answer by JSON schema"
    JSON = "answer as any JSON"
    STOP = "stop sequences"
    MAX_OUTPUT = "maximum of output tokens"
    TEMPERATURE = "temperature"
    TOP_P = "top-p"
    TOP_K = "top-k"
    SEED = "seed"
    PENALTIES = "presence and frequency penalty"
    THINKING = "thinking: effort, budget, shown"
    USER = "user"
    METADATA = "metadata"
    CACHE_KEY = "prompt cache key"
    VERBOSITY = "verbosity"


Carries = Mapping[Feature, Treatment]
Names = Mapping[Feature, str]
"""A format's own names of the features that it knows."""


def fit(request: Request, carries: Carries, names: Names, dropped: Dropped) -> Request:
    """The request without what the target's format lacks.

    Args:
        request: As read.
        carries: What the target's format does with each feature.
        names: The caller's names of the features, for what is refused or listed.
        dropped: Is told what was left out.

    Raises:
        Untranslatable: Something that is asked for cannot be left out.
    """
    for feature, asked in _ASKED.items():
        treatment = carries[feature]
        if treatment is Treatment.CARRIED or not asked(request):
            continue
        name = names.get(feature, feature.value)
        if treatment is Treatment.REFUSED:
            raise Untranslatable(
                f"{name} cannot be translated: the other provider's API has no {feature.value}.",
                name,
            )
        dropped.add(name)
        request = _WITHOUT[feature](request)
    return request


def parts_of(request: Request) -> Iterator[Part]:
    """All parts of all messages."""
    for message in request.messages:
        yield from message.parts


def _media(request: Request) -> Iterator[Part]:
    """All parts, and those inside of tool results."""
    for part in parts_of(request):
        yield part
        if isinstance(part, ToolResult):
            yield from part.content


def _documents(request: Request) -> Iterator[Document]:
    return (part for part in _media(request) if isinstance(part, Document))


_ASKED: Mapping[Feature, Callable[[Request], bool]] = {
    Feature.SYSTEM_INSIDE: lambda r: any(m.role is Role.SYSTEM for m in r.messages),
    Feature.IMAGE_URL: lambda r: any(isinstance(p, Image) and bool(p.url) for p in _media(r)),
    Feature.PDF: lambda r: any(d.media_type == PDF and bool(d.data) for d in _documents(r)),
    Feature.PLAIN_TEXT: lambda r: any(d.media_type == PLAIN for d in _documents(r)),
    Feature.DOCUMENT_URL: lambda r: any(bool(d.url) for d in _documents(r)),
    Feature.RESULT_IMAGE: lambda r: any(
        not isinstance(c, Text) for p in parts_of(r) if isinstance(p, ToolResult) for c in p.content
    ),
    Feature.RESULT_FAILED: lambda r: any(
        isinstance(p, ToolResult) and p.failed for p in parts_of(r)
    ),
    Feature.THOUGHTS: lambda r: any(isinstance(p, Thought) for p in parts_of(r)),
    Feature.TOOL_CHOICE: lambda r: r.choice is not None,
    Feature.PARALLEL: lambda r: r.parallel is False and bool(r.tools),
    Feature.STRICT: lambda r: any(tool.strict for tool in r.tools),
    Feature.SCHEMA: lambda r: r.shape is not None and r.shape.schema is not None,
    Feature.JSON: lambda r: r.shape is not None and r.shape.schema is None,
    Feature.STOP: lambda r: bool(r.stop),
    Feature.MAX_OUTPUT: lambda r: r.max_output_tokens is not None,
    Feature.TEMPERATURE: lambda r: r.temperature is not None,
    Feature.TOP_P: lambda r: r.top_p is not None,
    Feature.TOP_K: lambda r: r.top_k is not None,
    Feature.SEED: lambda r: r.seed is not None,
    Feature.PENALTIES: lambda r: bool(r.presence_penalty or r.frequency_penalty),
    Feature.THINKING: lambda r: r.thinking is not None,
    Feature.USER: lambda r: bool(r.user),
    Feature.METADATA: lambda r: bool(r.metadata),
    Feature.CACHE_KEY: lambda r: bool(r.cache_key),
    Feature.VERBOSITY: lambda r: bool(r.verbosity),
}


def _without_thoughts(request: Request) -> Request:
    messages = (
        Message(m.role, tuple(p for p in m.parts if not isinstance(p, Thought)))
        for m in request.messages
    )
    return replace(request, messages=merged(messages))


def _without_failures(request: Request) -> Request:
    messages = tuple(
        Message(
            m.role,
            tuple(replace(p, failed=False) if isinstance(p, ToolResult) else p for p in m.parts),
        )
        for m in request.messages
    )
    return replace(request, messages=messages)


_WITHOUT: Mapping[Feature, Callable[[Request], Request]] = {
    Feature.RESULT_FAILED: _without_failures,
    Feature.THOUGHTS: _without_thoughts,
    Feature.PARALLEL: lambda r: replace(r, parallel=None),
    Feature.STRICT: lambda r: replace(
        r, tools=tuple(replace(tool, strict=False) for tool in r.tools)
    ),
    Feature.TEMPERATURE: lambda r: replace(r, temperature=None),
    Feature.TOP_P: lambda r: replace(r, top_p=None),
    Feature.TOP_K: lambda r: replace(r, top_k=None),
    Feature.SEED: lambda r: replace(r, seed=None),
    Feature.PENALTIES: lambda r: replace(r, presence_penalty=None, frequency_penalty=None),
    Feature.THINKING: lambda r: replace(r, thinking=None),
    Feature.USER: lambda r: replace(r, user=""),
    Feature.METADATA: lambda r: replace(r, metadata=None),
    Feature.CACHE_KEY: lambda r: replace(r, cache_key=""),
    Feature.VERBOSITY: lambda r: replace(r, verbosity=""),
}
"""Only what is dropped somewhere has an entry."""


def forced(request: Request) -> bool:
    """Whether the model must use a tool."""
    return request.choice is not None and request.choice.choosing in {Choosing.ANY, Choosing.ONE}
