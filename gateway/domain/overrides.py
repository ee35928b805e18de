"""What was changed at run time: edits of single items, and budgets that hold for a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from .access import Json
from .temporary import TemporaryBudget


class Collection(StrEnum):
    """Parts of the configuration that can be edited at run time, item by item."""

    PROVIDERS = "providers"
    LANES = "lanes"
    TEAMS = "teams"
    AGENTS = "agents"


@dataclass(frozen=True, slots=True)
class ItemOverride:
    """What was changed of one item. It wins over the file until it is reset.

    Attributes:
        values: By path within the item; `None`: as if the file did not give it.
        deleted: The item is gone, whatever the file says.
        revision: Of the configuration when it was last changed.
        changed_s: When that was, in seconds since the epoch.
        changed_by: Who did it.
    """

    values: Mapping[str, Json] = field(default_factory=dict, repr=False)  # credentials, perhaps
    deleted: bool = False
    revision: int = 0
    changed_s: float = 0.0
    changed_by: str = ""


@dataclass(frozen=True, slots=True)
class Overrides:
    """All that was changed at run time.

    Attributes:
        revision: Grows with each change, and never goes back.
        items: By `COLLECTION/NAME`.
        resets: Revision at which an item was last reset, by `COLLECTION/NAME`.
        temporary: By id.
        reloads: How often all replicas were told to read their files again.
    """

    revision: int = 0
    items: Mapping[str, ItemOverride] = field(default_factory=dict)
    resets: Mapping[str, int] = field(default_factory=dict)
    temporary: Mapping[str, TemporaryBudget] = field(default_factory=dict)
    reloads: int = 0

    def revision_of(self, collection: Collection, name: str) -> int:
        """At which revision an item was last touched at run time; 0: never."""
        key = f"{collection}/{name}"
        item = self.items.get(key)
        return item.revision if item is not None else self.resets.get(key, 0)


@dataclass(frozen=True, slots=True)
class ItemOrigin:
    """Where a value came from.

    Attributes:
        word: `default`, `file`, `environment`, `runtime`, `temporary` or `learned`.
        source: Line, variable, person or id; empty for a default.
        temporary: Id of the temporary budget that it comes from; empty: from none.
    """

    word: str
    source: str = ""
    temporary: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One provider, lane, team or agent as it is configured, temporary budgets left out.

    Attributes:
        document: As the file would have it, secrets as asterisks.
        origins: By path in the document.
        override: What was changed at run time, if anything was.
        in_file: Whether this replica's file (or environment) has it.
        revision: At which it was last changed at run time; 0: never.
    """

    name: str
    document: Mapping[str, Json]
    origins: Mapping[str, ItemOrigin]
    override: ItemOverride | None
    in_file: bool
    revision: int


@dataclass(frozen=True, slots=True)
class FieldFault:
    """What is wrong with one field.

    Attributes:
        field: Its path, as in the configuration file.
        remedy: What to do; may be empty.
    """

    field: str
    message: str
    remedy: str = ""


class UnfitEdit(Exception):  # noqa: N818 - said of the edit
    """The configuration cannot be so.

    Attributes:
        elsewhere: The fault is not in the item that was edited, but in one that needs it.
    """

    def __init__(self, faults: Sequence[FieldFault], *, elsewhere: bool = False) -> None:
        super().__init__("; ".join(f"{fault.field}: {fault.message}" for fault in faults))
        self.faults = faults
        self.elsewhere = elsewhere


class Overtaken(Exception):  # noqa: N818 - says what happened
    """Somebody else has changed the configuration meanwhile."""
