"""Guards against lost updates: `ETag` on items, `If-Match` on their changes (RFC 9110, 8.8 and 13).

The tag of an item is that of what can be edited of it, not of its live figures, so that a change
is refused only if somebody else has edited the item meanwhile. A change without `If-Match` is taken.
"""

import hashlib
import json
import re
from typing import Annotated, TypeAlias

from fastapi import Header, HTTPException

from gateway.domain.access import Json

IfMatch: TypeAlias = Annotated[
    str,
    Header(
        description="Change it only if its `ETag` is still one of these; otherwise 412.",
        max_length=1000,
        pattern=r"^(\*|(W/)?\"[!#-~]*\"( *, *(W/)?\"[!#-~]*\")*)$",
        examples=["*"],
    ),
]
_TAG = re.compile(r'(?:W/)?"[!#-~]*"')


def etag_of(editable: Json) -> str:
    """The tag of a value."""
    text = json.dumps(editable, sort_keys=True, separators=(",", ":"))
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:16]}"'


def demand_match(if_match: str, etag: str | None) -> None:
    """Refuse a change that was made on the ground of an older version.

    Args:
        if_match: The header; empty: none was sent.
        etag: As the item is; `None`: there is none.

    Raises:
        HTTPException: 412 if it does not match.
    """
    if if_match and not _matches(if_match, etag):
        now = "there is no such item" if etag is None else f"its ETag is {etag} now"
        raise HTTPException(412, f"Somebody has changed it meanwhile: {now}. Read it again.")


def _matches(if_match: str, etag: str | None) -> bool:
    if etag is None:
        return False
    # A weak tag never matches: RFC 9110, 13.1.1 wants the strong comparison.
    return if_match == "*" or any(tag == etag for tag in _TAG.findall(if_match))
