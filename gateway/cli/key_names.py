"""How keys are named on the command line."""

import re

_KEY = re.compile(r"gw-([a-z2-7]+)(?:-[a-z2-7]+)?")


def public_part(text: str) -> str:
    """The public id of a key, given as that, as `gw-ID`, or as the whole key (a leaked one)."""
    match = _KEY.fullmatch(text.strip())
    return match[1] if match else text.strip()
