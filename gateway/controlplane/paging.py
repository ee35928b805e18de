"""Collections come in pages."""

from collections.abc import Sequence
from typing import Annotated, Generic, TypeAlias, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

T = TypeVar("T")
MAX_ITEMS = 1000

Limit: TypeAlias = Annotated[
    int, Query(ge=1, le=MAX_ITEMS, description="How many items a page has at most.")
]
Offset: TypeAlias = Annotated[int, Query(ge=0, description="How many items to leave out.")]


class Page(BaseModel, Generic[T]):
    """A part of a collection."""

    items: list[T] = Field(description="The items of this page, in order.")
    total: int = Field(description="How many items there are on all pages together.")
    next_offset: int | None = Field(description="`offset` of the next page; null on the last.")


def page(items: Sequence[T], limit: int, offset: int) -> Page[T]:
    """One page of items."""
    end = offset + limit
    return Page(
        items=list(items[offset:end]),
        total=len(items),
        next_offset=end if end < len(items) else None,
    )
