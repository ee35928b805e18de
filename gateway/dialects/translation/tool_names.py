"""Tool names, which every provider bounds in its own way. They are not changed, only checked."""

import re

from .untranslatable import Untranslatable

_PLAIN = re.compile(r"[a-zA-Z0-9_-]+")


def checked_name(name: str, longest: int) -> str:
    """A tool's name, if it has only letters, digits, `_` and `-`, and is not too long.

    Raises:
        Untranslatable: The target's provider would refuse it.
    """
    if _PLAIN.fullmatch(name) is None or len(name) > longest:
        raise Untranslatable(
            f"The tool name {name[:200]!r} is not one that the other provider takes: at most "
            f"{longest} letters, digits, '_' and '-'.",
            "tools",
        )
    return name
