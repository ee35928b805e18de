"""How large a prompt is, and where a provider's cache may cut it.

The pieces of a prompt stay the bytes that the client wrote. Only a piece that may hold media is
parsed, to leave its base64 data out of the count.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import msgspec

from gateway.dialects.decoding import UNREADABLE, decode
from gateway.domain.call import PromptPrefix

IMAGE_TOKENS = 1_000
"""Our estimate for one image: a 1024 x 1024 picture is 700 to 1,500 tokens, depending on the
model. Only used until the provider's own count is known."""
LOW_DETAIL_IMAGE_TOKENS = 100
"""Our estimate for one image with `detail: low`."""
AUDIO_BASE64_BYTES_PER_TOKEN = 2_000
"""Our estimate: about ten tokens a second, MP3 at 128 kbit/s."""
FILE_BASE64_BYTES_PER_TOKEN = 60
"""Our estimate for documents, whose text and page images both count."""

CACHED_FROM_TOKENS = 1_024
"""Shorter prompts are not cached (provider-facts B6)."""
_DENSEST_BYTES_PER_TOKEN = 3
MIN_PREFIX_BYTES = CACHED_FROM_TOKENS * _DENSEST_BYTES_PER_TOKEN
MAX_PREFIXES = 20
DIGEST_BYTES = 16

_MEDIA_MARKERS = (b"image_", b"input_audio", b"file_data")
"""One of these is in every piece that holds media; each is searched in every body, so few."""
_IMAGES = frozenset({"image_url", "input_image", "computer_screenshot"})
_BASE64 = ";base64,"
_anything: msgspec.json.Decoder[object] = msgspec.json.Decoder(object)
_HEAD = 256  # a data URL names its type within so many characters


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found in a prompt, in the terms of `CallFacts`."""

    prompt_bytes: int
    media_tokens: int
    prefixes: tuple[PromptPrefix, ...]


def measure(body: bytes, seed: bytes, pieces: Sequence[memoryview], *, cached: bool) -> Measured:
    """Measure a prompt.

    Args:
        body: All of the request, to see at one glance that there is no media in it.
        seed: What else a cache entry depends on, such as the cache key.
        pieces: Tools, instructions and messages in the provider's order; a cache may cut after
            each.
        cached: Whether the prompt may be cached at all.
    """
    sizes = [len(piece) for piece in pieces]
    media_tokens = 0
    if any(marker in body for marker in _MEDIA_MARKERS):
        for index, piece in enumerate(pieces):
            media_bytes, tokens = _media_of(piece)
            sizes[index] -= media_bytes
            media_tokens += tokens
    prompt_bytes = sum(sizes)
    if not cached or prompt_bytes < MIN_PREFIX_BYTES:
        return Measured(prompt_bytes, media_tokens, ())
    return Measured(prompt_bytes, media_tokens, tuple(_prefixes(seed, pieces, sizes)))


def _prefixes(
    seed: bytes, pieces: Sequence[memoryview], sizes: Sequence[int]
) -> Iterator[PromptPrefix]:
    """The last cut points that are long enough to be cached, shortest first."""
    running = blake2b(len(seed).to_bytes(8, "big") + seed, digest_size=DIGEST_BYTES)
    end = 0
    for index, piece in enumerate(pieces):
        # The length keeps the cut points apart: the same bytes cut otherwise are another prompt.
        running.update(len(piece).to_bytes(8, "big"))
        running.update(piece)
        end += sizes[index]
        if end >= MIN_PREFIX_BYTES and index >= len(pieces) - MAX_PREFIXES:
            yield PromptPrefix(running.copy().digest(), end)


def _media_of(piece: memoryview) -> tuple[int, int]:
    """Bytes of base64 in one piece, and our estimate of the tokens of all its media."""
    raw = bytes(piece)
    if not any(marker in raw for marker in _MEDIA_MARKERS):
        return 0, 0
    try:
        waiting: list[object] = [decode(_anything, raw)]
    except UNREADABLE:
        return 0, 0  # no UTF-8: then its whole length counts, which is the safe side
    media_bytes = tokens = 0
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, dict):
            more_bytes, more_tokens = _media_here(node)
            media_bytes += more_bytes
            tokens += more_tokens
            waiting.extend(node[key] for key in ("content", "output") if key in node)
    return media_bytes, tokens


def _media_here(node: dict[str, object]) -> tuple[int, int]:
    """The same for one content part or item, without its children."""
    kind = node.get("type")
    if not isinstance(kind, str):
        return 0, 0
    if kind in _IMAGES:
        image = node.get("image_url")
        inner = image if isinstance(image, dict) else node
        url = inner.get("url") if inner is image else image
        low = inner.get("detail") == "low"
        return _data_bytes(url), LOW_DETAIL_IMAGE_TOKENS if low else IMAGE_TOKENS
    if kind == "image_generation_call":
        result = node.get("result")
        return (len(result), IMAGE_TOKENS) if isinstance(result, str) else (0, 0)
    return _sound_or_file(kind, node)


def _sound_or_file(kind: str, node: dict[str, object]) -> tuple[int, int]:
    if kind == "input_audio":
        audio = node.get("input_audio")
        data = audio.get("data") if isinstance(audio, dict) else None
        size = len(data) if isinstance(data, str) else 0
        return size, -(-size // AUDIO_BASE64_BYTES_PER_TOKEN)
    if kind in {"file", "input_file"}:
        file = node.get("file")
        inner = file if isinstance(file, dict) else node
        size = _data_bytes(inner.get("file_data"), bare=True)
        return size, -(-size // FILE_BASE64_BYTES_PER_TOKEN)
    return 0, 0


def _data_bytes(value: object, *, bare: bool = False) -> int:
    """How much of a string is base64: what follows the comma of a data URL; all, if `bare`."""
    if not isinstance(value, str):
        return 0
    start = value.find(_BASE64, 0, _HEAD)
    if start >= 0 and value.startswith("data:"):
        return len(value) - start - len(_BASE64)
    return len(value) if bare else 0
