"""Measures a prompt where it stands in the JSON, in the order in which the cache sees it."""

import re
from hashlib import blake2b

import msgspec

from gateway.domain.call import PromptPrefix

from .media import may_hold_media, media_in

MAX_PREFIXES = 20
"""Cut points kept, the longest ones: a conversation goes on from its end."""
IMPLICIT_CACHE_LIFETIME_S = 300
"""Assumed: the documentation gives no lifetime for implicit caching (provider-facts B12)."""
MIN_BYTES_PER_TOKEN = 2
"""A prefix with fewer bytes than this for each token of the cache's minimum is not cached."""

_GENERATION = re.compile(r"gemini-(\d{1,3})(?:\.(\d{1,3}))?")


def implicit_cache_min_tokens(model: str) -> int | None:
    """The shortest prompt that is cached unasked; `None` if the model has no such cache.

    provider-facts B12: from 2.5 on, 2,048 tokens; from 3 on, 4,096. A Gemini alias without a
    number (`gemini-flash-latest`) names a current model.
    """
    found = _GENERATION.match(model)
    if found is None:
        return 4_096 if model.startswith("gemini-") else None
    generation = (int(found[1]), int(found[2] or 0))
    if generation >= (3, 0):
        return 4_096
    return 2_048 if generation >= (2, 5) else None


class Prompt:
    """The parts of one prompt so far.

    Attributes:
        prompt_bytes: Their bytes, without base64 media.
        media_tokens: A stated estimate of their media.
    """

    __slots__ = ("_parts", "_search", "_sizes", "media_tokens", "prompt_bytes")

    def __init__(self, body: bytes) -> None:
        """`body` is what the parts are cut from: without media in it, none is looked for."""
        self._search = may_hold_media(body)
        self.prompt_bytes = 0
        self.media_tokens = 0
        self._parts: list[msgspec.Raw] = []
        self._sizes: list[int] = []

    def add(self, raw: msgspec.Raw) -> None:
        """The next part; the prompt may be cut after it."""
        self.prompt_bytes += len(memoryview(raw))
        if self._search and may_hold_media(bytes(raw)):
            encoded, tokens = media_in(raw)
            self.prompt_bytes -= encoded
            self.media_tokens += tokens
        self._parts.append(raw)
        self._sizes.append(self.prompt_bytes)

    def prefixes(self, min_tokens: int) -> tuple[PromptPrefix, ...]:
        """The last cut points that may be long enough for a cache with this minimum."""
        if self.prompt_bytes < min_tokens * MIN_BYTES_PER_TOKEN:
            return ()
        first = len(self._parts) - MAX_PREFIXES
        running = blake2b(digest_size=16)
        found = []
        for i, (part, size) in enumerate(zip(self._parts, self._sizes, strict=True)):
            running.update(memoryview(part))
            if i >= first and size >= min_tokens * MIN_BYTES_PER_TOKEN:
                found.append(PromptPrefix(running.digest(), size))
        return tuple(found)
