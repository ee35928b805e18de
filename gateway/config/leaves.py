"""Items of the configuration as JSON documents: their schema, and the values in them one by one.

A document is checked against the kinds of its values here as far as JSON types go; what the values
mean is read by the same code that reads the file (`overlay`).

Failure policy: everything that is wrong is told together, each with its path.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.domain.access import Json
from gateway.domain.overrides import Collection

from . import manual
from .faults import ConfigError, Fault, hidden, suggestion
from .schema import Field, Leaf, Section, Series
from .show import MASK

SECTIONS: Mapping[Collection, Section] = {
    Collection.PROVIDERS: manual.PROVIDER,
    Collection.LANES: manual.LANE,
    Collection.TEAMS: manual.TEAM,
    Collection.AGENTS: manual.AGENT,
}
_SHOWN_CHARS = 100
NOT_EDITED = {Collection.AGENTS: frozenset({"key"})}
"""Settings that documents leave out: keys are made, rotated and revoked, and never written."""


def leaf_fields(collection: Collection) -> dict[str, Leaf[object] | Series[object]]:
    """Every setting of an item that takes a value, by its path."""
    left_out = NOT_EDITED.get(collection, frozenset())
    return {path: one for path, one in _leaves(SECTIONS[collection], "") if path not in left_out}


def _leaves(section: Section, prefix: str) -> Iterator[tuple[str, Leaf[object] | Series[object]]]:
    for one in section.fields:
        path = f"{prefix}{one.name}"
        if isinstance(one, Leaf | Series):
            yield path, one
        elif isinstance(one, Section):
            yield from _leaves(one, f"{path}.")


def document_schema(collection: Collection) -> dict[str, Any]:
    """The JSON schema of an item."""
    return _schema(SECTIONS[collection], NOT_EDITED.get(collection, frozenset()))


def document_schemas() -> dict[Collection, dict[str, Any]]:
    """The JSON schemas of all collections."""
    return {collection: document_schema(collection) for collection in SECTIONS}


def _schema(section: Section, left_out: frozenset[str] = frozenset()) -> dict[str, Any]:
    fields = [one for one in section.fields if one.name not in left_out]
    schema: dict[str, Any] = {
        "type": "object",
        "description": section.meaning,
        "additionalProperties": False,
        "properties": {one.name: _field_schema(one) for one in fields},
    }
    required = [one.name for one in fields if isinstance(one, Leaf | Series) and one.required]
    return schema | ({"required": required} if required else {})


def _field_schema(one: Field) -> dict[str, Any]:
    match one:
        case Leaf():
            schema = _or_null(dict(one.kind.json), required=one.required)
            written = {"writeOnly": True} if one.secret else {}
            return {"description": one.meaning, **schema, **written}
        case Series():
            values = {"type": "array", "items": dict(one.kind.json)}
            return {"description": one.meaning, **_or_null(values, required=one.required)}
        case Section():
            return {"description": one.meaning, "anyOf": [_schema(one), {"type": "null"}]}
        case _:
            raise TypeError(f"{one.name} cannot be edited item by item")


def _or_null(schema: dict[str, Any], *, required: bool) -> dict[str, Any]:
    return schema if required else {"anyOf": [schema, {"type": "null"}]}


def flattened(
    collection: Collection, name: str, document: Mapping[str, Json], *, whole: bool
) -> dict[str, Json]:
    """The values of a document by path.

    Args:
        collection: Of the item.
        name: Of the item, for faults.
        document: A whole item, or a merge patch of one.
        whole: What it leaves out is not given, secrets apart, which nobody could repeat.

    Returns:
        Values; `None` where nothing is given. A secret that is written as it is shown is left out.

    Raises:
        ConfigError: Something in it cannot be a value of its setting.
    """
    walk = _Walk(f"{collection}.{name}", leaf_fields(collection))
    walk.into(document, "")
    if walk.faults:
        raise ConfigError(walk.faults)
    if whole:
        left_out = {path: None for path, one in walk.known.items() if not _is_secret(one)}
        return {**left_out, **walk.values}
    return walk.values


@dataclass
class _Walk:
    """A walk through a document."""

    at: str
    known: Mapping[str, Leaf[object] | Series[object]]
    values: dict[str, Json] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def into(self, document: Mapping[str, Json], prefix: str) -> None:
        """Note the values of an object."""
        for name, value in document.items():
            path = f"{prefix}{name}"
            if path in self.known:
                self._take(path, self.known[path], value)
                continue
            below = [one for one in self.known if one.startswith(f"{path}.")]
            if not below:
                self._note(path, "unknown setting", suggestion(name, self._names_at(prefix)))
            elif value is None:
                self.values.update(dict.fromkeys(below))
            elif isinstance(value, Mapping):
                self.into(value, f"{path}.")
            else:
                self._note(path, "an object is needed here")

    def _take(self, path: str, one: Leaf[object] | Series[object], value: Json) -> None:
        if not _fits_field(one, value):
            self._note(path, _expected(one))
        elif not (_is_secret(one) and value == MASK):
            self.values[path] = value

    def _names_at(self, prefix: str) -> list[str]:
        inside = (one.removeprefix(prefix) for one in self.known if one.startswith(prefix))
        return sorted({one.split(".")[0] for one in inside})

    def _note(self, path: str, message: str, remedy: str = "") -> None:
        path, message = hidden(path[:_SHOWN_CHARS]), hidden(message)
        self.faults.append(Fault("", 0, 0, f"{self.at}.{path}", message, remedy))


def _is_secret(one: Leaf[object] | Series[object]) -> bool:
    return isinstance(one, Leaf) and one.secret


def _expected(one: Leaf[object] | Series[object]) -> str:
    if isinstance(one, Series):
        return f"a list of {one.kind.name} is needed here"
    return f"{one.kind.name} is needed here"


def _fits_field(one: Leaf[object] | Series[object], value: Json) -> bool:
    if value is None:
        return True
    if isinstance(one, Series):
        return isinstance(value, list) and all(fits(one.kind.json, item) for item in value)
    return fits(one.kind.json, value)


def fits(schema: Mapping[str, Any], value: Json) -> bool:
    """Whether a value is of the JSON type that its kind has; bounds are for its kind to check."""
    if "anyOf" in schema:
        return any(fits(one, value) for one in schema["anyOf"])
    if "const" in schema:
        return bool(value == schema["const"])
    if "enum" in schema or schema.get("type") == "string":
        return isinstance(value, str)
    if isinstance(value, bool):
        return schema.get("type") == "boolean"
    if schema.get("type") == "integer":
        return isinstance(value, int | float) and float(value).is_integer()
    return schema.get("type") == "number" and isinstance(value, int | float)
