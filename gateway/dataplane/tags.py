"""`x-gateway-tag: KEY=VALUE`: what a caller calls its work, for the accounts.

May be repeated, or hold several divided by commas (which is what proxies make of repeated
fields). Tags become rows of the accounts, so their number and length are bounded.
"""

import re

from gateway.domain.outcome import Reason
from gateway.ports import Headers

from .refused import refused

TAG = b"x-gateway-tag"
MAX_TAGS = 8
_TAG = re.compile(rb"[A-Za-z0-9_.\-]{1,40}=[A-Za-z0-9_.:/@+\-]{1,80}")


def tags(headers: Headers) -> tuple[str, ...]:
    """The tags of a call, each once, in their order.

    Raises:
        Refused: `bad_request` for one that is no tag, or for too many.
    """
    found: dict[str, None] = {}
    for name, value in headers:
        if name == TAG:
            for part in value.split(b","):
                tag = part.strip()
                if _TAG.fullmatch(tag) is None:
                    raise refused(
                        Reason.BAD_REQUEST,
                        "x-gateway-tag must be KEY=VALUE of letters, digits and _ . - (in VALUE "
                        "also : / @ +), at most 40 and 80 characters.",
                    )
                found[tag.decode()] = None
    if len(found) > MAX_TAGS:
        raise refused(Reason.BAD_REQUEST, f"A call has at most {MAX_TAGS} tags.")
    return tuple(found)
