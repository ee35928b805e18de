"""YAML text to a tree of places: every value knows its line, its column and its field.

Environment variables are put in after parsing, into scalar values only, so that what a variable
holds can never become structure.

Failure policy: text that is not YAML, too large, too deep, recursive or multiplied by aliases is
refused with its place. Nothing in a file can construct an object: only maps, lists and scalars
without explicit tags exist.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

import yaml

from .faults import ConfigError, Fault, Faults
from .substitution import substituted

MAX_BYTES = 1024 * 1024
MAX_VALUES = 50_000
MAX_DEPTH = 32
EXTENSION = "x-"
_CORE_TAG = "tag:yaml.org,2002:"

Place: TypeAlias = tuple[int, int]
"""Line and column, counted from 1."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value.

    Attributes:
        text: The text after substitution; `None` if that failed (already noted).
        plain: Written without quotes.
        variables: Names of the environment variables in it.
    """

    place: Place
    text: str | None
    plain: bool
    variables: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Stands for "not given": YAML null, or variables that are all empty."""
        if self.plain and self.text in {"", "~", "null", "Null", "NULL"}:
            return True
        return bool(self.variables) and self.text == ""


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    place: Place
    items: tuple["Tree", ...]


@dataclass(frozen=True, slots=True)
class Entries:
    """A map. Each key keeps its own place."""

    place: Place
    entries: Mapping[str, tuple[Place, "Tree"]]


Tree: TypeAlias = Scalar | Items | Entries


class _TooDeep(yaml.MarkedYAMLError):
    """Nesting beyond `MAX_DEPTH`."""


class _Loader(yaml.SafeLoader):
    """Composes nodes only, to a bounded depth."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # so in the stubs
            raise _TooDeep(problem=f"more than {MAX_DEPTH} levels", problem_mark=mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def parse_document(raw: bytes, file: str, environment: Mapping[str, str], faults: Faults) -> Tree:
    """The tree of a file.

    Args:
        raw: The bytes of the file.
        file: Its name for messages.
        environment: Where `${VAR}` is looked up.
        faults: Receives what is wrong with single values; reading goes on.

    Raises:
        ConfigError: The text cannot be read as YAML at all.
    """
    text = _decoded(raw, file)
    try:
        node = _composed(text)
    except yaml.YAMLError as error:
        raise ConfigError([_syntax_fault(error, file)]) from None
    if node is None:
        return Entries((1, 1), {})
    return _Converter(environment, faults).tree(node, "")


def _composed(text: str) -> yaml.Node | None:
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def _decoded(raw: bytes, file: str) -> str:
    if len(raw) > MAX_BYTES:
        message = f"the file is larger than {MAX_BYTES // 1024} KiB"
        raise ConfigError([Fault(file, 0, 0, "", message, "Is it really a configuration?")])
    for bad, name in (
        (raw.find(b"\0"), "a NUL byte"),
        (_not_utf8(raw), "a byte that is not UTF-8"),
    ):
        if bad >= 0:
            start = raw.rfind(b"\n", 0, bad) + 1
            line, column = raw.count(b"\n", 0, bad) + 1, bad - start + 1
            raise ConfigError(
                [Fault(file, line, column, "", f"the file holds {name}", "Save it as UTF-8 text.")]
            )
    return raw.decode("utf-8-sig")


def _not_utf8(raw: bytes) -> int:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return -1


_SYNTAX_REMEDIES = (
    ("\\t", "Indent with spaces: YAML does not allow tabs."),
    ("mapping values are not allowed", "Is a quote missing, or the indentation wrong?"),
    ("expected <block end>", "Is the indentation the same as of the lines above?"),
    ("could not find expected ':'", "Write it as `name: value`."),
    ("cannot start any token", "Put the value into quotes."),
    ("expected ',' or '", "Inside { } and [ ], put ${NAME} and values with commas into quotes."),
    ("single document", "Keep one document: remove the second `---`."),
    ("undefined alias", "Put the value into quotes, or define the anchor above this line."),
    ("tag handle", "Put the value into quotes."),
    ("levels", "Nothing in a configuration is nested so deeply."),
)


def _syntax_fault(error: yaml.YAMLError, file: str) -> Fault:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", "") or "bad syntax")
    context = str(getattr(error, "context", None) or "")
    remedy = next((text for sign, text in _SYNTAX_REMEDIES if sign in problem + context), "")
    if "alias" in problem:  # names what was written after `*`, which may be a secret
        problem = "an alias (*name) has no anchor (&name)"
    elif "tag handle" in problem:
        problem = "a value starts with !"
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)
    return Fault(file, line, column, "", f"this is not YAML: {problem}", remedy)


class _Converter:
    """Turns nodes into trees; aliases are expanded, under a bound on all values together."""

    def __init__(self, environment: Mapping[str, str], faults: Faults) -> None:
        self._environment = environment
        self._faults = faults
        self._values = 0
        self._open: set[int] = set()

    def tree(self, node: yaml.Node, path: str) -> Tree:
        place = _place(node)
        self._values += 1
        if self._values > MAX_VALUES:
            self._refuse(place, path, f"more than {MAX_VALUES} values", "Use fewer aliases.")
        if id(node) in self._open:
            self._refuse(place, path, "an anchor that holds itself", "Remove the inner alias.")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        self._check_tag(node, path)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                items = (self.tree(child, f"{path}[{i}]") for i, child in enumerate(node.value))
                return Items(place, tuple(items))
            return Entries(place, self._entries(node, path))
        finally:
            self._open.discard(id(node))

    def _scalar(self, node: yaml.ScalarNode, path: str) -> Scalar:
        self._check_tag(node, path)
        place = _place(node)
        text, variables, problems = substituted(str(node.value), self._environment)
        for problem in problems:
            self._faults.add(place, path, problem.message, problem.remedy)
        return Scalar(place, None if problems else text, node.style is None, variables)

    def _entries(self, node: yaml.Node, path: str) -> dict[str, tuple[Place, Tree]]:
        entries: dict[str, tuple[Place, Tree]] = {}
        merged: dict[str, tuple[Place, Tree]] = {}
        first: dict[str, Place] = {}
        for key_node, value_node in node.value:
            place = _place(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self._faults.add(place, path, "a name must be plain text", "Write `name: value`.")
                continue
            key = str(key_node.value)
            if key == "<<":
                self._merge(value_node, path, merged)
                continue
            child = f"{path}.{key}" if path else key
            if key in first:
                earlier = f"{key} is given twice, first in line {first[key][0]}"
                self._faults.add(place, child, earlier, "Remove one of them.")
                continue
            first[key] = place
            if path or not key.startswith(EXTENSION):
                entries[key] = (place, self.tree(value_node, child))
        return {**merged, **entries}

    def _merge(self, node: yaml.Node, path: str, merged: dict[str, tuple[Place, Tree]]) -> None:
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for source in sources:
            if not isinstance(source, yaml.MappingNode):
                self._faults.add(
                    _place(source), path, "<< needs a map", "Write `<<: *anchor_of_a_map`."
                )
                continue
            tree = self.tree(source, path)
            if isinstance(tree, Entries):
                for key, value in tree.entries.items():
                    merged.setdefault(key, value)

    def _check_tag(self, node: yaml.Node, path: str) -> None:
        tag = str(node.tag)
        if not tag.startswith(_CORE_TAG) or tag.startswith(f"{_CORE_TAG}python"):
            self._faults.add(
                _place(node), path, "YAML tags (!name) are not used here", "Remove it."
            )

    def _refuse(self, place: Place, path: str, message: str, remedy: str) -> NoReturn:
        self._faults.add(place, path, message, remedy)
        raise ConfigError(self._faults.found)  # whatever counts: reading on might not end


def _place(node: yaml.Node) -> Place:
    return node.start_mark.line + 1, node.start_mark.column + 1
