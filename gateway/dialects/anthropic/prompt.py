"""The prompt of a Messages request: its size, its media, and where its cache may cut it (facts A5).

Messages stay slices of the body; only those that hold media are parsed, to leave base64 data out
of the count and to guess its tokens.
"""

import re
from collections.abc import Iterator, Sequence
from hashlib import sha256

import msgspec

from gateway.domain.call import PromptPrefix
from gateway.domain.value import value

IMAGE_TOKENS = 1_600
"""One image: the figure for about 1.15 megapixels; smaller ones cost less. Our assumption."""
DOCUMENT_TOKENS = 3_000
"""A document that is not in the body (by URL or file id): about one page. Our assumption."""
BASE64_BYTES_PER_DOCUMENT_TOKEN = 40
"""PDF pages of some 100 kB in base64 and 2,500 tokens each. Our assumption."""
SHORT_CACHE_S = 300
LONG_CACHE_S = 3_600
DIGEST_BYTES = 16
MAX_CUTS = 20
"""Cuts remembered within the messages; a provider looks back 20 blocks from each mark."""

_MARK = re.compile(rb'"cache_control"\s*:\s*(\{[^{}]*\}|null)')
_MARK_AND_COMMA = re.compile(
    rb',\s*"cache_control"\s*:\s*(?:\{[^{}]*\}|null)|"cache_control"\s*:\s*(?:\{[^{}]*\}|null)\s*,\s*'
)
_MARK_KEY = b'"cache_control"'
_SOURCE_KEY = b'"source"'
_ATTRIBUTION = re.compile(rb'x-anthropic-billing-header:[^"\\]*')
"""Claude Code's first system block (facts A9): differs between calls that share a cache."""


@value
class Section:
    """A part of a prompt, after which it may be cut.

    Attributes:
        raw: As it stands in the JSON.
        prompt_bytes: Its length without base64 data.
        media_tokens: Our guess for the media in it.
    """

    raw: memoryview | bytes
    prompt_bytes: int
    media_tokens: int = 0


class _Source(msgspec.Struct):
    type: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")
    content: msgspec.Raw = msgspec.Raw(b"")


class _Block(msgspec.Struct):
    type: str = ""
    source: msgspec.Raw = msgspec.Raw(b"")
    content: msgspec.Raw = msgspec.Raw(b"")


class _Message(msgspec.Struct):
    content: msgspec.Raw = msgspec.Raw(b"")


_SOURCE = msgspec.json.Decoder(_Source)
_BLOCKS = msgspec.json.Decoder(list[_Block])
_MESSAGE = msgspec.json.Decoder(_Message)


def messages(body: bytes, raws: Sequence[msgspec.Raw]) -> list[Section]:
    """The messages of a body, measured."""
    has_media = _SOURCE_KEY in body
    return [_message(raw, has_media) for raw in raws]


def head(tools: Sequence[msgspec.Raw], system: msgspec.Raw) -> list[Section]:
    """Tools, then system: the order in which they are cached."""
    sections = []
    if tools:
        raw = b",".join(bytes(tool) for tool in tools)
        sections.append(Section(raw, len(raw)))
    text = bytes(system)
    if text and text != b"null":
        sections.append(Section(_ATTRIBUTION.sub(b"", text), len(text)))
    return sections


def _message(raw: msgspec.Raw, has_media: bool) -> Section:
    view = memoryview(raw)
    size = view.nbytes
    if not has_media or _SOURCE_KEY not in bytes(raw):
        return Section(view, size)
    try:
        media_bytes, media_tokens = _media(_MESSAGE.decode(raw).content)
    except (ValueError, RecursionError):
        # Not a shape that the provider accepts: counted as text.
        return Section(view, size)
    return Section(view, size - media_bytes, media_tokens)


def _media(content: msgspec.Raw) -> tuple[int, int]:
    """Bytes of base64 in a list of content blocks, and the tokens they may be."""
    if bytes(memoryview(content)[:1]) != b"[":
        return 0, 0
    media_bytes = media_tokens = 0
    for block in _BLOCKS.decode(content):
        if block.type in {"image", "document"}:
            found = _of_source(block.type, block.source)
        elif block.type == "tool_result":
            found = _media(block.content)
        else:
            continue
        media_bytes += found[0]
        media_tokens += found[1]
    return media_bytes, media_tokens


def _of_source(kind: str, raw: msgspec.Raw) -> tuple[int, int]:
    source = _SOURCE.decode(raw)
    if source.type == "content":
        return _media(source.content)
    if source.type == "text":
        return 0, 0
    size = memoryview(source.data).nbytes if source.type == "base64" else 0
    if kind == "image":
        return size, IMAGE_TOKENS
    return size, max(DOCUMENT_TOKENS, size // BASE64_BYTES_PER_DOCUMENT_TOKEN)


def cache_marks(body: bytes) -> tuple[int, int]:
    """How many cache marks the body holds, and the longest lifetime of any, in seconds."""
    count = longest_s = 0
    position = body.find(_MARK_KEY)
    while position >= 0:
        count += 1
        mark = _MARK.match(body, position)
        if mark is not None and mark[1] != b"null":
            longest_s = max(longest_s, LONG_CACHE_S if b'"1h"' in mark[1] else SHORT_CACHE_S)
        position = body.find(_MARK_KEY, position + len(_MARK_KEY))
    return count, longest_s


def cuts(
    head: Sequence[Section], messages: Sequence[Section], marks: int
) -> tuple[PromptPrefix, ...]:
    """The cuts after each section of the head, and after each of the last messages.

    Digests are cumulative: two prompts share one if they are alike up to there. Marks do not
    count, since clients move them on from turn to turn.

    Args:
        head: Tools and system.
        messages: The messages.
        marks: How many cache marks there are in all; once they are found, nothing is searched.
    """
    state = sha256()  # twice as fast as BLAKE2b where the processor has instructions for it
    first = len(head) + len(messages) - MAX_CUTS
    size = 0
    found: list[PromptPrefix] = []
    sections = _unmarked([*head, *messages], len(head), marks)
    for index, (raw, prompt_bytes) in enumerate(sections):
        state.update(raw)
        size += prompt_bytes
        if index < len(head) or index >= first:
            found.append(PromptPrefix(state.digest()[:DIGEST_BYTES], size))
    return tuple(found)


def _unmarked(
    sections: Sequence[Section], head: int, marks: int
) -> Iterator[tuple[bytes | memoryview, int]]:
    """The sections without their cache marks.

    Marks stand in the head and in the last messages, so these are searched first.
    """
    without: dict[int, bytes] = {}
    for index in (*range(head), *range(len(sections) - 1, head - 1, -1)):
        if marks <= 0:
            break
        raw = bytes(sections[index].raw)
        if here := raw.count(_MARK_KEY):
            marks -= here
            without[index] = _MARK_AND_COMMA.sub(b"", raw)
    for index, section in enumerate(sections):
        yield without.get(index, section.raw), section.prompt_bytes
