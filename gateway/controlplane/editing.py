"""Edits of the configuration from inside a route: read, check, change, store, and record.

    edit = Edit(changes, dry_run)
    return await edit.made(lambda edition: ...)

The change is made on the newest edition; should somebody else be faster, it is made again on
theirs, so that `If-Match` is always checked against what is really replaced.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import HTTPException, Query
from starlette.concurrency import run_in_threadpool

from gateway.domain.access import Json
from gateway.domain.overrides import Overtaken, UnfitEdit
from gateway.ports import Edition

from .problems import FieldFault, Unfit
from .recording import Recorder

_TRIES = 8

DryRun: TypeAlias = Annotated[
    bool, Query(description="Check it and show what would come of it, and change nothing.")
]


@dataclass(frozen=True, slots=True)
class Changed:
    """One thing that an edit changes, for the audit."""

    action: str
    subject: str
    before: Json
    after: Json


Made: TypeAlias = tuple[Edition, Sequence[Changed]]


async def edited(
    changes: Recorder, change: Callable[[Edition], Made], *, dry_run: bool
) -> tuple[Edition, Edition]:
    """Make a change of the configuration.

    Args:
        changes: Of the request.
        change: Gives the next edition and what it changes; may be called more than once.
        dry_run: Check it only.

    Returns:
        The editions before and after.

    Raises:
        HTTPException: 409: others edit faster than this could.
        Unfit: The configuration cannot be so.
        StoreSilent: The store does not answer; the change may have been made.
    """
    configuration = changes.parts.configuration
    for _ in range(_TRIES):
        before = await configuration.read()
        after, changed = await run_in_threadpool(fitting, change, before)  # it may take a while
        if dry_run or not changed:
            return before, after
        entries = [changes.entry(one.action, one.subject, one.before, one.after) for one in changed]
        try:
            await configuration.commit(after, entries)
        except Overtaken:
            continue
        return before, after
    raise HTTPException(
        409, "Others are editing at the same time; try again.", {"retry-after": "1"}
    )


def fitting(change: Callable[[Edition], Made], before: Edition) -> Made:
    """What a change gives; that the configuration cannot be so is told to the caller."""
    try:
        return change(before)
    except UnfitEdit as error:
        raise told(error) from None


def told(error: UnfitEdit) -> Unfit:
    """The faults of an edit, as the API tells them."""
    faults = [
        FieldFault(field=one.field, message=one.message, remedy=one.remedy) for one in error.faults
    ]
    return Unfit(faults, 409 if error.elsewhere else 422)
