"""What a schema of settings is made of, and how it is told as a JSON schema."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from .kinds import VARIABLE_PATTERN, Kind

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Leaf(Generic[T_co]):
    """One value.

    Attributes:
        meaning: One or two sentences for the reference page and editors.
        default: What it is when not given (a stand-in where `required`).
        shown: The default as the reference page writes it; empty for a required setting.
        secret: Never shown.
        pending: Says that it is read and checked but not acted on yet, and what happens instead.
    """

    name: str
    kind: Kind[T_co]
    meaning: str
    default: T_co
    shown: str = ""
    required: bool = False
    secret: bool = False
    pending: str = ""


@dataclass(frozen=True, slots=True)
class Series(Generic[T_co]):
    """A list of single values; one value alone may be written without brackets."""

    name: str
    kind: Kind[T_co]
    meaning: str
    default: tuple[T_co, ...] = ()
    shown: str = ""
    required: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A map with known names.

    Attributes:
        pending: Says that these settings are read and checked but not acted on yet, and what
            happens instead; empty where they act.
    """

    name: str
    meaning: str
    fields: tuple["Field", ...]
    pending: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A map from names that the file chooses to sections."""

    name: str
    meaning: str
    entry: Section
    placeholder: str


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of sections."""

    name: str
    meaning: str
    entry: Section
    pending: str = ""


@dataclass(frozen=True, slots=True)
class SeriesTable:
    """A map from names that the file chooses to lists of values."""

    name: str
    meaning: str
    kind: Kind[str]
    placeholder: str
    pending: str = ""


Field: TypeAlias = Leaf[object] | Series[object] | Section | Table | Listing | SeriesTable


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the reference: a setting that takes a value."""

    path: str
    type: str
    default: str
    meaning: str
    secret: bool = False


def rows(section: Section, prefix: str = "") -> Iterator[Row]:
    """Every setting of a schema, in its order; `NAME` and `[]` stand for chosen names and items."""
    for one in section.fields:
        path = f"{prefix}{one.name}"
        match one:
            case Leaf():
                default = "required" if one.required else one.shown
                yield Row(path, one.kind.name, default, one.meaning, one.secret)
            case Series():
                default = "required" if one.required else one.shown
                yield Row(path, f"list of {one.kind.name}", default, one.meaning)
            case Section():
                yield from rows(one, f"{path}.")
            case Table():
                yield from rows(one.entry, f"{path}.{one.placeholder}.")
            case Listing():
                yield from rows(one.entry, f"{path}[].")
            case SeriesTable():
                yield Row(f"{path}.{one.placeholder}", f"list of {one.kind.name}", "", one.meaning)


def pending_settings(section: Section, prefix: str = "") -> Iterator[str]:
    """Paths of the settings that are read and checked but not acted on yet."""
    for one in section.fields:
        path = f"{prefix}{one.name}"
        if not isinstance(one, Series | Table) and one.pending:
            yield path
        elif isinstance(one, Section):
            yield from pending_settings(one, f"{path}.")
        elif isinstance(one, Table):
            yield from pending_settings(one.entry, f"{path}.{one.placeholder}.")


def json_schema(section: Section) -> dict[str, object]:
    """A JSON schema (draft 7, which YAML editors speak) with descriptions, without examples."""
    schema = _object(section)
    schema["$schema"] = "http://json-schema.org/draft-07/schema#"
    schema["title"] = "agent-gateway configuration"
    schema["patternProperties"] = {"^x-": {}}
    return schema


def _object(section: Section) -> dict[str, object]:
    required = [
        one.name for one in section.fields if isinstance(one, Leaf | Series) and one.required
    ]
    schema: dict[str, object] = {
        "type": "object",
        "description": section.meaning,
        "additionalProperties": False,
        "properties": {one.name: _field(one) for one in section.fields},
    }
    if required:
        schema["required"] = required
    return schema


def _field(one: Field) -> dict[str, object]:
    match one:
        case Leaf():
            return {"description": one.meaning, **_value(one.kind.json)}
        case Series():
            return {"description": one.meaning, **_values(one.kind.json)}
        case Section():
            return _nullable(_object(one))
        case Table():
            return _nullable(
                {
                    "type": "object",
                    "description": one.meaning,
                    "additionalProperties": _nullable(_object(one.entry)),
                }
            )
        case Listing():
            return _nullable(
                {"type": "array", "description": one.meaning, "items": _object(one.entry)}
            )
        case SeriesTable():
            return _nullable(
                {
                    "type": "object",
                    "description": one.meaning,
                    "additionalProperties": _values(one.kind.json),
                }
            )


def _nullable(schema: dict[str, object]) -> dict[str, object]:
    return {**schema, "type": [schema["type"], "null"]}


def _value(schema: Mapping[str, object]) -> dict[str, object]:
    """The schema of one value, which `${VAR}` or nothing may always stand for."""
    if schema.get("type") == "string":
        return {**schema, "type": ["string", "number", "null"]}
    variable = {"type": "string", "pattern": VARIABLE_PATTERN}
    return {"anyOf": [dict(schema), variable, {"type": "null"}]}


def _values(schema: Mapping[str, object]) -> dict[str, object]:
    return {"anyOf": [{"type": "array", "items": _value(schema)}, _value(schema)]}
