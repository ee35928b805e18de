"""Media inside a URL (RFC 2397), as OpenAI's formats carry it."""

import re

_DATA = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w=.-]+)*;base64,", re.IGNORECASE)


def parsed(url: str) -> tuple[str, str] | None:
    """Media type and base64 data of a data URL; `None` if it is another URL."""
    found = _DATA.match(url)
    return None if found is None else ((found[1] or "").lower(), url[found.end() :])


def made(media_type: str, data: str) -> str:
    """The data URL of base64 data."""
    return f"data:{media_type};base64,{data}"
