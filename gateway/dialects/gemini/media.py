"""What media inside a Gemini prompt weighs: bytes that are not text, and tokens instead of them.

The figures are estimates, stated here and nowhere else: the provider-facts page gives none, and
an estimate is replaced by the provider's own count when the answer comes.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from .fields import decoded

IMAGE_TOKENS = 1_120
"""One image at the default resolution of the current models; older ones took 258 a tile."""
REFERENCE_TOKENS = 1_120
"""Media named by URI (`fileData`): its size is not known."""
MIN_MEDIA_TOKENS = 64
_BASE64_BYTES_PER_TOKEN = {
    "audio": 660,  # 32 tokens a second, at 128 kbit/s
    "video": 1_270,  # 263 tokens a second, at 2 Mbit/s
    "application": 330,  # 258 tokens a PDF page, at 64 kB a page
    "text": 5,  # about 4 bytes of text a token
}
_DEFAULT_BYTES_PER_TOKEN = 330


def may_hold_media(text: bytes) -> bool:
    """Whether `inlineData` or `fileData` may be in there; cheap, and true too often."""
    return b'eData"' in text or b'e_data"' in text


def media_in(raw: msgspec.Raw) -> tuple[int, int]:
    """The bytes of base64 in a part of a prompt, and the estimated tokens of all its media.

    Raises:
        BadCall: The part is not valid JSON.
    """
    encoded = tokens = 0
    for key, value in _named_values(decoded(raw, object, "contents", "JSON")):
        if not isinstance(value, dict):
            continue
        if key in {"fileData", "file_data"}:
            tokens += REFERENCE_TOKENS
        elif key in {"inlineData", "inline_data"} and isinstance(data := value.get("data"), str):
            encoded += len(data)
            tokens += _tokens(str(value.get("mimeType") or value.get("mime_type")), len(data))
    return encoded, tokens


def _named_values(root: object) -> Iterator[tuple[str, Any]]:
    pending = [root]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            yield from value.items()
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)


def _tokens(mime_type: str, base64_bytes: int) -> int:
    kind = mime_type.partition("/")[0]
    if kind == "image":
        return IMAGE_TOKENS
    per_token = _BASE64_BYTES_PER_TOKEN.get(kind, _DEFAULT_BYTES_PER_TOKEN)
    return max(MIN_MEDIA_TOKENS, base64_bytes // per_token)
