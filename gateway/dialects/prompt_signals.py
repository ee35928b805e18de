"""What the dialects' readers of prompts share: texts cut to size, digests of tool calls, needs.

A prompt is read from both ends: its first user message, and its newest messages. What lies between
was answered before and does not count, so that the cost does not grow with the conversation.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b

import msgspec

from gateway.domain.signals import Need, Signals, ToolUse

MAX_SYSTEM = 4_000
MAX_TEXT = 16_384
MAX_ANSWER = 1_000
NEWEST = 16
"""So many of the newest messages are looked into."""
_DIGEST_BYTES = 12
_INSERTED = re.compile(
    r"<(system-reminder|environment_context|user_instructions|session_context)>.*?</\1>",
    re.DOTALL,
)
_INSERTED_MARKS = ("<system-reminder>", "<environment_context>", "<user_instructions>", "<session_")
_PLAN = ("plan mode is active", "in plan mode", "plan mode: on", "<collaboration_mode>plan")
_BAD_ARGUMENTS = re.compile(
    r"InputValidationError|invalid (?:tool )?(?:arguments|parameters|input|json)"
    r"|(?:missing|unexpected) (?:a )?required (?:parameter|argument|property)"
    r"|failed to parse (?:function )?arguments|JSONDecodeError|unexpected keyword argument",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Gathered:
    """What a reader has found so far; a draft of `Signals`."""

    system: str = ""
    asks: list[str] = field(default_factory=list)
    opening: str | None = None
    turns: int = 0
    continues: bool = False
    tool_uses: list[ToolUse] = field(default_factory=list)
    tool_errors: int = 0
    last_answer: str = ""
    last_answer_used_tools: bool = False
    thinking: bool = False
    plan_mode: bool = False
    needs: set[Need] = field(default_factory=set)
    unknown: list[str] = field(default_factory=list)

    def ask(self, text: str) -> None:
        """The user says this, in the newest message; reminders of the client's own are left out."""
        if _plans(text):
            self.plan_mode = True
        own = without_inserted(text)
        if own.strip():
            self.asks.append(own)

    def tool_result(self, text: str, *, failed: bool) -> None:
        """A tool says this, in the newest message."""
        self.continues = True
        if failed and _BAD_ARGUMENTS.search(text[:MAX_TEXT]):
            self.tool_errors += 1

    def used(self, name: str, arguments: bytes, *, sound: bool = True) -> None:
        """A tool was called."""
        digest = blake2b(name.encode("utf-8", "replace") + b"\0", digest_size=_DIGEST_BYTES)
        digest.update(arguments)
        self.tool_uses.append(ToolUse(digest.digest(), sound))

    def signals(self) -> Signals:
        """The whole."""
        ask = "\n".join(self.asks)
        return Signals(
            system=self.system[:MAX_SYSTEM],
            ask=ends(ask),
            ask_bytes=len(ask.encode("utf-8", "replace")),
            opening=_opening(self.opening),
            turns=self.turns,
            continues=self.continues and not self.asks,
            tool_uses=tuple(self.tool_uses[-NEWEST:]),
            tool_errors=self.tool_errors,
            last_answer=self.last_answer[:MAX_ANSWER],
            last_answer_used_tools=self.last_answer_used_tools,
            plan_mode=self.plan_mode or _plans(self.system),
            thinking=self.thinking,
            needs=frozenset(self.needs),
            unknown=tuple(dict.fromkeys(self.unknown)),
        )


def _plans(text: str) -> bool:
    lowered = text[:MAX_TEXT].lower()
    return any(mark in lowered for mark in _PLAN)


def without_inserted(text: str) -> str:
    """A user's text without what agents' clients put into it by themselves."""
    if any(mark in text for mark in _INSERTED_MARKS):
        return _INSERTED.sub("", text)
    return text


def ends(text: str) -> str:
    """A text without its middle, if it is long."""
    if len(text) <= MAX_TEXT:
        return text
    half = MAX_TEXT // 2
    return f"{text[:half]}\n{text[-half:]}"


def tools_needed(needs: set[Need], offered: int, *, parallel: bool) -> None:
    """What tools ask of a model; with one tool alone, two calls at once are possible, too."""
    if offered:
        needs.add(Need.TOOLS)
        if parallel:
            needs.add(Need.PARALLEL_TOOLS)


def is_object(raw: str) -> bool:
    """Whether a text is a JSON object, as arguments have to be."""
    try:
        return isinstance(msgspec.json.decode(raw.encode("utf-8", "replace")), dict)
    except (ValueError, RecursionError):
        return False


def newest(items: list[msgspec.Raw]) -> Iterable[tuple[int, msgspec.Raw]]:
    """The newest items with their index, oldest first."""
    first = max(0, len(items) - NEWEST)
    return ((index, items[index]) for index in range(first, len(items)))


def _opening(text: str | None) -> bytes:
    if text is None:
        return b""
    return blake2b(text.encode("utf-8", "replace"), digest_size=_DIGEST_BYTES).digest()
