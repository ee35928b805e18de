"""What can be wrong with a configuration: every fault with its place and its remedy.

Failure policy: a configuration with any fault is refused whole; all faults are told together, so
that a person repairs the file once. No message quotes the value of a secret, of an environment
variable, or of anything that looks like a credential.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_CREDENTIAL = re.compile(
    r"(?:\b(?:sk|rk|pk|gsk|xai|ghp|gw)[-_]|\bAIza|\bya29\.|\bAQ\.|(?<=Bearer ))[\w.~+/=-]{6,}"
)
_HIDDEN = "(hidden)"
_QUOTED_CHARS = 40


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        file: The file as the caller named it; empty if the fault is in no file.
        line: Line, counted from 1; 0 if the fault has no place.
        column: Column, counted from 1; 0 if the fault has no place.
        field: The setting at fault, as a path (`agents.reviewer.budget.tpm`); empty for the file
            as a whole.
        message: What is wrong.
        remedy: What to do about it.
    """

    file: str
    line: int
    column: int
    field: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        """One line: place, field, message, remedy."""
        place = self.file
        if self.line:
            place = f"{place}:{self.line}:{self.column}"
        parts = [part for part in (place, self.field) if part]
        text = ": ".join([*parts, self.message])
        return f"{text}. {self.remedy}" if self.remedy else text


class ConfigError(Exception):
    """The configuration cannot be used.

    Attributes:
        faults: Everything found wrong, in the order of the file.
    """

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: (fault.line, fault.column)))
        super().__init__("\n".join(str(fault) for fault in self.faults))


@dataclass(slots=True)
class Faults:
    """Collects faults of one file while it is read.

    Attributes:
        only: Sections at the top whose faults count; empty: all.
    """

    file: str
    found: list[Fault] = field(default_factory=list)
    only: tuple[str, ...] = ()
    _seen: set[Fault] = field(default_factory=set)

    def add(self, place: tuple[int, int], path: str, message: str, remedy: str = "") -> None:
        """Note a fault at (line, column); what looks like a credential is hidden."""
        fault = Fault(self.file, place[0], place[1], hidden(path), hidden(message), hidden(remedy))
        if fault not in self._seen:  # anchors are read where they are used, perhaps often
            self._seen.add(fault)
            self.found.append(fault)

    def raise_if_any(self) -> None:
        """Refuse the configuration if anything was found.

        Raises:
            ConfigError: At least one fault that counts was noted.
        """
        counting = [one for one in self.found if self._counts(one)]
        if counting:
            raise ConfigError(counting)

    def _counts(self, fault: Fault) -> bool:
        return not self.only or not fault.field or fault.field.split(".")[0] in self.only


def hidden(text: str) -> str:
    """The text without what looks like a credential, wherever it was pasted."""
    return _CREDENTIAL.sub(_HIDDEN, text)


def quoted(text: str) -> str:
    """A value for a message: shortened, and hidden if it may be a credential."""
    if "@" in text or (len(text) > _QUOTED_CHARS and " " not in text):
        return "the value (not shown: it may be a credential)"
    if len(text) > _QUOTED_CHARS:
        text = text[: _QUOTED_CHARS - 1] + "…"
    return repr(hidden(text))


def suggestion(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """`Did you mean X?`, or a list of what is known."""
    names = list(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]}?"
    if otherwise:
        return otherwise
    return f"Known here: {', '.join(names)}." if names else ""
