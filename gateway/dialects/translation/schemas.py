"""JSON schemas, which providers take in three variants.

Anthropic's and OpenAI's strict outputs want every object closed (`additionalProperties: false`),
OpenAI's also want every property required. Gemini has an older form of its own, with types in
capitals, beside plain JSON schema, which is written here throughout.
"""

from collections.abc import Callable, Mapping

from .canonical import Json

_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_MAPS = ("properties", "$defs", "definitions", "defs")
_SINGLES = ("items", "not")
_WHOLE = frozenset(
    {"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"}
)
_GEMINI_ONLY = frozenset({"propertyOrdering", "property_ordering", "example"})
_SPELLED = {
    "any_of": "anyOf",
    "min_items": "minItems",
    "max_items": "maxItems",
    "min_length": "minLength",
    "max_length": "maxLength",
    "min_properties": "minProperties",
    "max_properties": "maxProperties",
    "additional_properties": "additionalProperties",
    "ref": "$ref",
    "defs": "$defs",
}


def closed(schema: Json) -> dict[str, object]:
    """The schema with every object closed that lists properties and does not say otherwise."""
    found = _below(schema, closed)
    if "properties" in found and "additionalProperties" not in found:
        found["additionalProperties"] = False
    return found


def is_strict(schema: Json) -> bool:
    """Whether OpenAI's strict mode takes it: every object closed, every property required."""
    properties = schema.get("properties")
    if schema.get("type") == "object" or isinstance(properties, Mapping):
        required = schema.get("required")
        names = set(properties) if isinstance(properties, Mapping) else set()
        if schema.get("additionalProperties") is not False:
            return False
        if not isinstance(required, list) or set(required) != names:
            return False
    return all(is_strict(one) for one in _children(schema))


def _children(schema: Json) -> list[Json]:
    found: list[object] = []
    for name in _LISTS:
        value = schema.get(name)
        found += value if isinstance(value, list) else []
    for name in _MAPS:
        value = schema.get(name)
        found += value.values() if isinstance(value, Mapping) else []
    found += [schema.get(name) for name in _SINGLES]
    return [one for one in found if isinstance(one, Mapping)]


def _below(schema: Json, change: Callable[[Json], dict[str, object]]) -> dict[str, object]:
    """The schema with a change made to every schema inside it."""

    def changed(one: object) -> object:
        return change(one) if isinstance(one, Mapping) else one

    found: dict[str, object] = {}
    for name, value in schema.items():
        if name in _LISTS and isinstance(value, list):
            found[name] = [changed(one) for one in value]
        elif name in _MAPS and isinstance(value, Mapping):
            found[name] = {key: changed(one) for key, one in value.items()}
        elif name in _SINGLES:
            found[name] = changed(value)
        else:
            found[name] = value
    return found


def of_gemini(schema: Json) -> dict[str, object]:
    """Gemini's own form of a schema as JSON schema."""
    spelled = {_SPELLED.get(name, name): value for name, value in schema.items()}
    found = _below(spelled, of_gemini)
    for name in _GEMINI_ONLY:
        found.pop(name, None)
    kind = found.get("type")
    if isinstance(kind, str):
        found["type"] = kind.lower()
    for name in _WHOLE & found.keys():
        value = found[name]
        if isinstance(value, str) and value.isdecimal():  # int64 in proto JSON
            found[name] = int(value)
    nullable = found.pop("nullable", None)
    if nullable is True and isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
    return found
