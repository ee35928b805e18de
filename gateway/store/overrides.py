"""What was changed at run time, in the store: the one place for all replicas.

A change is made on a revision and takes effect only if that is still the one in force; it and its
entries in the audit are one step (`lua/overrides.lua`, which says what is kept where). Each change
is announced on `gw:{main}:config:changed`; whoever missed that sees it by the revision.

Failure policy: the store does not answer: `StoreSilent`; a commit that raised may have been made.
What cannot be read (another version of the gateway wrote it) is left out and logged.
"""

import logging
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, TypeVar

import msgspec

from gateway.domain.access import AuditEntry
from gateway.domain.overrides import Collection, ItemOverride, Overrides, Overtaken
from gateway.domain.temporary import BudgetChange, Selector, Span, TemporaryBudget, Weekly

from .audit import encoded
from .connection import ROOT, Client
from .scripts import Script
from .silence import silence_told

_log = logging.getLogger(__name__)

CONFIG = f"{ROOT}:config"
CHANGED = f"{CONFIG}:changed"
_REVISION = f"{CONFIG}:revision"
_ITEMS = f"{CONFIG}:items"
_TEMPORARY = f"{CONFIG}:temporary"
_RELOADS = f"{CONFIG}:reloads"
_COUNT = "count"
_TRIES = 5
_COLLECTIONS = frozenset(Collection)
T = TypeVar("T")


class _Item(msgspec.Struct, omit_defaults=True):
    """An item as it is stored; `reset` stands for one that was reset and is only a revision."""

    revision: int
    values: dict[str, Any] = {}
    deleted: bool = False
    changed_s: float = 0.0
    changed_by: str = ""
    reset: bool = False


class _Budget(msgspec.Struct):
    """A temporary budget as it is stored; exactly one of the windows is there."""

    selector: Selector
    change: BudgetChange
    created_s: float
    created_by: str
    note: str
    span: Span | None = None
    weekly: Weekly | None = None


class OverrideStore:
    """Reads and writes what was changed at run time.

    Args:
        client: An open client; stays the caller's.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._script = Script((files(__package__) / "lua" / "overrides.lua").read_text())

    async def revision(self) -> int:
        """The revision in force."""
        with silence_told():
            return int(await self._client.get(_REVISION) or 0)

    async def load(self) -> Overrides:
        """Everything, at one revision."""
        for _ in range(_TRIES):
            before = await self.revision()
            with silence_told():
                items: Any = await self._client.hgetall(_ITEMS)
                temporary: Any = await self._client.hgetall(_TEMPORARY)
                reloads: Any = await self._client.hget(_RELOADS, _COUNT)
            if before == await self.revision():
                break
        stored = {
            key: one
            for key, one in _decoded(items, _Item).items()
            if key.partition("/")[0] in _COLLECTIONS
        }
        return Overrides(
            revision=before,
            items={key: _override(one) for key, one in stored.items() if not one.reset},
            resets={key: one.revision for key, one in stored.items() if one.reset},
            temporary={key: _budget(key, one) for key, one in _decoded(temporary, _Budget).items()},
            reloads=int(reloads or 0),
        )

    async def commit(
        self, before: Overrides, after: Overrides, entries: Sequence[AuditEntry]
    ) -> int:
        """Put `after` in force if `before` still is; gives the new revision.

        Raises:
            Overtaken: It is not.
        """
        changes = [
            *_changes("items", _stored_items(before), _stored_items(after)),
            *_changes("temporary", _stored_budgets(before), _stored_budgets(after)),
        ]
        if after.reloads != before.reloads:
            changes.append(("reloads", _COUNT, str(after.reloads)))
        arguments = (
            before.revision,
            msgspec.msgpack.encode(changes),
            msgspec.msgpack.encode([encoded(entry).decode() for entry in entries]),
        )
        with silence_told():
            reply: Any = await self._script.call(self._client, (ROOT,), arguments)
        if int(reply) < 0:
            raise Overtaken
        return int(reply)


def _changes(
    table: str, before: Mapping[str, bytes], after: Mapping[str, bytes]
) -> list[tuple[str, str, str]]:
    written = [(table, key, raw.decode()) for key, raw in after.items() if before.get(key) != raw]
    return [*written, *((table, key, "") for key in before if key not in after)]


def _stored_items(overrides: Overrides) -> dict[str, bytes]:
    resets = {key: _Item(revision, reset=True) for key, revision in overrides.resets.items()}
    items = {
        key: _Item(one.revision, dict(one.values), one.deleted, one.changed_s, one.changed_by)
        for key, one in overrides.items.items()
    }
    return {key: msgspec.json.encode(one) for key, one in (resets | items).items()}


def _stored_budgets(overrides: Overrides) -> dict[str, bytes]:
    return {key: msgspec.json.encode(_record(one)) for key, one in overrides.temporary.items()}


def _record(one: TemporaryBudget) -> _Budget:
    return _Budget(
        selector=one.selector,
        change=one.change,
        created_s=one.created_s,
        created_by=one.created_by,
        note=one.note,
        span=one.window if isinstance(one.window, Span) else None,
        weekly=one.window if isinstance(one.window, Weekly) else None,
    )


def _override(one: _Item) -> ItemOverride:
    return ItemOverride(one.values, one.deleted, one.revision, one.changed_s, one.changed_by)


def _budget(budget_id: str, one: _Budget) -> TemporaryBudget:
    return TemporaryBudget(
        budget_id=budget_id,
        selector=one.selector,
        change=one.change,
        window=one.span or one.weekly or Span(0, 0),
        created_s=one.created_s,
        created_by=one.created_by,
        note=one.note,
    )


def _decoded(raw: Mapping[bytes, bytes], kind: type[T]) -> dict[str, T]:
    found: dict[str, T] = {}
    for key, value in raw.items():
        try:
            found[key.decode()] = msgspec.json.decode(value, type=kind)
        except ValueError as error:  # msgspec's errors are ValueErrors
            _log.warning("the run-time change of %s is not understood: %s", key.decode(), error)
    return found
