"""A tree of the file under a schema: typed values out, faults and origins noted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from .document import Entries, Items, Place, Scalar, Tree
from .faults import Faults, suggestion
from .kinds import Kind, Unfit
from .schema import Leaf, Listing, Section, Series, SeriesTable, Table
from .texts import check_name

T = TypeVar("T")
Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from.

    Attributes:
        file: The file, if it came from one.
        line: Its line, counted from 1.
        variables: Environment variables that made it up.
        runtime: Who set it at run time, if somebody did.
        temporary: Id of the temporary budget that it comes from, if it does.
    """

    file: str = ""
    line: int = 0
    variables: tuple[str, ...] = ()
    runtime: str = ""
    temporary: str = ""

    @property
    def word(self) -> str:
        """`default`, `file`, `environment`, `runtime` or `temporary`."""
        if self.temporary:
            return "temporary"
        if self.runtime:
            return "runtime"
        if self.line:
            return "file"
        return "environment" if self.variables else "default"

    def __str__(self) -> str:
        """`default`, `FILE:LINE`, or `environment (NAME)`, or both; or what was set at run time."""
        if self.temporary:
            return f"temporary ({self.temporary})"
        if self.runtime:
            return f"runtime ({self.runtime})"
        variables = f"environment ({', '.join(self.variables)})" if self.variables else ""
        place = f"{self.file}:{self.line}" if self.line else ""
        return ", ".join(part for part in (place, variables) if part) or "default"


@dataclass(slots=True)
class Book:
    """What is noted while a file is read."""

    faults: Faults
    origins: dict[str, Origin] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def note_pending(self, place: Place, path: str, pending: str) -> None:
        """Remember that a given setting does not act yet."""
        if pending:
            self.notes.append(f"{self.faults.file}:{place[0]}: {path}: {pending}")


class Given:
    """One section as the file gives it (or leaves it out)."""

    def __init__(self, section: Section, tree: Tree | None, path: str, book: Book) -> None:
        self.path = path
        self._section = section
        self._book = book
        self._entries: Mapping[str, tuple[Place, Tree]] = {}
        self.place: Place = tree.place if tree is not None else (0, 0)
        if tree is None or (isinstance(tree, Scalar) and (tree.empty or tree.text is None)):
            return
        if isinstance(tree, Entries):
            self._entries = tree.entries
            self._check_names()
        else:
            remedy = f"Write it as a map of: {', '.join(one.name for one in section.fields)}."
            book.faults.add(tree.place, path, f"a map is needed here, not {_shape(tree)}", remedy)

    def _check_names(self) -> None:
        known = [one.name for one in self._section.fields]
        for name, (place, _) in self._entries.items():
            if name not in known:
                self._book.faults.add(
                    place, self.child(name), "unknown setting", suggestion(name, known)
                )

    def child(self, name: str) -> str:
        """The path of a field."""
        return f"{self.path}.{name}" if self.path else name

    def place_of(self, name: str) -> Place:
        """Where the value of a field stands, or else the section."""
        entry = self._entries.get(name)
        return entry[1].place if entry is not None else self.place

    def has(self, name: str) -> bool:
        """Whether the file gives the field a value."""
        return self._tree(name) is not None

    def fault(self, name: str, message: str, remedy: str = "") -> None:
        """Note a fault of a field."""
        self._book.faults.add(self.place_of(name), self.child(name), message, remedy)

    def flawed(self, name: str) -> bool:
        """Whether a fault of this very field was noted."""
        path = self.child(name)
        return any(fault.field == path for fault in self._book.faults.found)

    def shown(self, name: str, value: str, index: int | None = None) -> str:
        """A value for a message; what came from a variable is not told."""
        path = self.child(name) if index is None else f"{self.child(name)}[{index}]"
        origin = self._book.origins.get(path) or self._book.origins.get(self.child(name))
        if origin is not None and origin.variables:
            return f"as ${{{origin.variables[0]}}} names it"
        return value

    def fault_at_entry(self, name: str, key: str, message: str, remedy: str) -> None:
        """Note a fault of one entry of a table."""
        tree = self._tree(name)
        place = tree.entries[key][0] if isinstance(tree, Entries) else self.place_of(name)
        self._book.faults.add(place, f"{self.child(name)}.{key}", message, remedy)

    def missing(self, name: str, message: str, remedy: str = "") -> None:
        """Note that a field is not there."""
        self._book.faults.add(self.place, self.child(name), message, remedy)

    def _tree(self, name: str) -> Tree | None:
        entry = self._entries.get(name)
        if entry is None or (isinstance(entry[1], Scalar) and entry[1].empty):
            return None
        return entry[1]

    def get(self, leaf: Leaf[T]) -> T:
        """The value of a leaf, or its default; a fault gives the default, too."""
        tree = self._tree(leaf.name)
        if tree is None:
            if leaf.required:
                self._note_missing(leaf.name, leaf.meaning)
            return leaf.default
        self._book.note_pending(tree.place, self.child(leaf.name), leaf.pending)
        if not isinstance(tree, Scalar):
            self.fault(
                leaf.name, f"a single value is needed here, not {_shape(tree)}", "Write one value."
            )
            return leaf.default
        value = self._parsed(tree, self.child(leaf.name), leaf.kind)
        return leaf.default if value is None else value[0]

    def series(self, series: Series[T]) -> tuple[T, ...]:
        """The values of a list, or its default."""
        tree = self._tree(series.name)
        if tree is None:
            if series.required:
                self._note_missing(series.name, series.meaning)
            return series.default
        values = self._values(tree, self.child(series.name), series.kind)
        if series.required and isinstance(tree, Items) and not tree.items:
            self.fault(series.name, "the list is empty", series.meaning)
        return values

    def section(self, section: Section) -> "Given":
        """A section inside this one."""
        tree = self._tree(section.name)
        if tree is not None:
            self._book.note_pending(tree.place, self.child(section.name), section.pending)
        return Given(section, tree, self.child(section.name), self._book)

    def table(self, table: Table) -> dict[str, "Given"]:
        """The sections of a table by name."""
        path = self.child(table.name)
        found: dict[str, Given] = {}
        for name, (key_place, tree) in self._named(table.name, f"{table.placeholder}: ...").items():
            given = Given(table.entry, tree, f"{path}.{name}", self._book)
            given.place = key_place
            found[name] = given
        return found

    def listing(self, listing: Listing) -> list["Given"]:
        """The sections of a list."""
        tree = self._tree(listing.name)
        path = self.child(listing.name)
        if tree is None:
            return []
        self._book.note_pending(tree.place, path, listing.pending)
        if not isinstance(tree, Items):
            self.fault(
                listing.name, f"a list is needed here, not {_shape(tree)}", "Start each with `- `."
            )
            return []
        return [
            Given(listing.entry, item, f"{path}[{i}]", self._book)
            for i, item in enumerate(tree.items)
        ]

    def series_table(self, table: SeriesTable) -> dict[str, tuple[str, ...]]:
        """The lists of a table by name."""
        path = self.child(table.name)
        tree = self._tree(table.name)
        if tree is not None:
            self._book.note_pending(tree.place, path, table.pending)
        named = self._named(table.name, f"{table.placeholder}: [...]")
        return {
            name: self._values(tree, f"{path}.{name}", table.kind)
            for name, (_, tree) in named.items()
        }

    def _named(self, name: str, form: str) -> dict[str, tuple[Place, Tree]]:
        tree = self._tree(name)
        if tree is None:
            return {}
        if not isinstance(tree, Entries):
            self.fault(name, f"a map is needed here, not {_shape(tree)}", f"Write `{form}`.")
            return {}
        good: dict[str, tuple[Place, Tree]] = {}
        for key, (place, value) in tree.entries.items():
            try:
                good[check_name(key)] = (place, value)
            except Unfit as unfit:
                self._book.faults.add(place, self.child(name), unfit.message, unfit.remedy)
        return good

    def _values(self, tree: Tree, path: str, kind: Kind[T]) -> tuple[T, ...]:
        if isinstance(tree, Scalar):
            items: tuple[Tree, ...] = (tree,)
        elif isinstance(tree, Items):
            items = tree.items
            self._book.origins[path] = Origin(self._book.faults.file, tree.place[0])
        else:
            self._book.faults.add(
                tree.place, path, "a list is needed here, not a map", "Write [one, two]."
            )
            return ()
        values: list[T] = []
        for i, item in enumerate(items):
            at = path if isinstance(tree, Scalar) else f"{path}[{i}]"
            if not isinstance(item, Scalar):
                self._book.faults.add(
                    item.place, at, f"a single value is needed, not {_shape(item)}"
                )
                continue
            value = self._parsed(item, at, kind)
            if value is not None:
                values.append(value[0])
        return tuple(values)

    def _parsed(self, scalar: Scalar, path: str, kind: Kind[T]) -> tuple[T] | None:
        """The value in a tuple of one (it may itself be `None`), or `None` after a fault."""
        book = self._book
        book.origins[path] = Origin(book.faults.file, scalar.place[0], scalar.variables)
        if scalar.text is None:
            return None
        try:
            return (kind.parse(scalar.text.strip()),)
        except Unfit as unfit:
            message = unfit.message
            if scalar.variables:
                names = ", ".join(f"${{{name}}}" for name in scalar.variables)
                message = f"the value from {names} is not a proper {kind.name}"
            book.faults.add(scalar.place, path, message, unfit.remedy)
            return None

    def _note_missing(self, name: str, meaning: str) -> None:
        self.missing(name, f"{name} is missing", meaning)


def _shape(tree: Tree) -> str:
    match tree:
        case Scalar():
            return "a single value"
        case Items():
            return "a list"
        case Entries():
            return "a map"
