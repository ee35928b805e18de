"""The JSON schema that editors get agrees with what the reader accepts."""

import json
import re
from pathlib import Path

import pytest
import yaml

from gateway.config import ConfigError, configuration_schema, load_text
from gateway.config.manual import SCHEMA
from gateway.config.schema import rows

Schema = dict[str, object]


def accepts(schema: object, value: object) -> bool:
    """The few words of JSON schema that ours uses."""
    assert isinstance(schema, dict)
    known = {
        "type", "anyOf", "enum", "const", "pattern", "minimum", "maximum", "exclusiveMinimum",
        "minLength", "properties", "required", "additionalProperties", "patternProperties",
        "items", "description", "title", "$schema", "format",
    }  # fmt: skip
    assert set(schema) <= known
    if "anyOf" in schema and not any(accepts(one, value) for one in schema["anyOf"]):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if "const" in schema and value != schema["const"]:
        return False
    if "type" in schema and not _has_type(schema["type"], value):
        return False
    return _scalar_fits(schema, value) and _inner_fits(schema, value)


def _has_type(types: object, value: object) -> bool:
    names = types if isinstance(types, list) else [types]
    python: dict[str, tuple[type, ...]] = {
        "object": (dict,), "array": (list,), "string": (str,), "boolean": (bool,),
        "null": (type(None),), "integer": (int,), "number": (int, float),
    }  # fmt: skip
    return any(
        isinstance(value, python[str(name)]) and (name == "boolean" or not isinstance(value, bool))
        for name in names
    )


def _scalar_fits(schema: Schema, value: object) -> bool:
    if isinstance(value, str):
        long_enough = len(value) >= int(str(schema.get("minLength", 0)))
        return long_enough and re.search(str(schema.get("pattern", "")), value) is not None
    if isinstance(value, int | float):
        low = float(str(schema.get("minimum", "-inf")))
        return low <= value <= float(str(schema.get("maximum", "inf")))
    return True


def _inner_fits(schema: Schema, value: object) -> bool:
    if isinstance(value, list):
        return all(accepts(schema.get("items", {}), one) for one in value)
    if not isinstance(value, dict):
        return True
    properties = schema.get("properties", {})
    assert isinstance(properties, dict)
    required = schema.get("required", [])
    assert isinstance(required, list)
    if any(name not in value for name in required):
        return False
    for name, inner in value.items():
        if name.startswith("x-") and "patternProperties" in schema:
            continue
        rule = properties.get(name, schema["additionalProperties"])
        if rule is False or not accepts(rule, inner):
            return False
    return True


BASE = "providers: {p: {dialect: openai, base_url: 'http://h/v1', api_key: none}}\n"
AGREED = [
    ("", True),
    ("listen: 8080", True),
    ("minute: 2s", True),
    ("minute: '${MINUTE:-60s}'", True),
    ("queue: {max_wait: 500ms, max_depth: 5}", True),
    ("queue:", True),
    ("server: {max_body: 32MiB, workers: null}", True),
    ("lanes: {l: {provider: p, models: '*', limits: {rpm: none, tpm: 5}, margin: 5%}}", True),
    ("lanes: {l: {provider: p, models: [a, b]}}", True),
    ("agents: {a: {budget: {usd_per_day: 2.5, mode: soft}}, b: }", True),
    ("routes: [{simple: m, match: {priorities: [urgent]}}]", True),
    ("x-anything: {goes: here}", True),
    ("minut: 2s", False),
    ("queue: {max_depth: -1}", False),
    ("queue: {max_wait: soon}", False),
    ("server: {max_body: big}", False),
    ("lanes: {l: {models: '*'}}", False),
    ("agents: {a: {priority: high}}", False),
    ("agents: {a: {key: short}}", False),
    ("routes: {a: b}", False),
    ("lanes: [l]", False),
]


@pytest.mark.parametrize(("text", "good"), AGREED)
def test_the_schema_and_the_reader_agree(text: str, good: bool) -> None:
    assert accepts(configuration_schema(), yaml.safe_load(BASE + text)) is good
    try:
        load_text((BASE + text).encode(), {}, folder=Path())
    except ConfigError:
        assert not good
    else:
        assert good


def test_everything_in_the_schema_is_described() -> None:
    def walk(schema: Schema) -> None:
        inner = schema.get("properties", {})
        assert isinstance(inner, dict)
        for name, one in inner.items():
            assert one["description"], name
            walk(one)
        entry = schema.get("additionalProperties")
        if isinstance(entry, dict):
            walk(entry)

    walk(configuration_schema())
    json.dumps(configuration_schema())


def test_every_setting_has_one_path() -> None:
    paths = [row.path for row in rows(SCHEMA)]
    assert len(paths) == len(set(paths))
    assert "lanes.LANE.limits.rpm" in paths
    assert "routes[].match.agents" in paths
