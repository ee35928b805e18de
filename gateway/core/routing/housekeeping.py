"""Calls that agents' clients make for themselves, recognised as the real ones send them.

provider-facts A9 (Claude Code), B8 (Codex), B13 (Gemini CLI), and the public prompts of OpenCode
and Open WebUI. A rule looks at the beginning of the system prompt and at a short ask, never at an
agent's long prompt, in which the same words may be quoted.
"""

import re
from enum import StrEnum

from gateway.domain.call import CallFacts
from gateway.domain.signals import Signals

MAX_ASK_BYTES = 60_000
_PROBES = frozenset({"quota", "test", "hi", "count", "ping"})
_TITLE = re.compile(
    r"(?:generat|creat|writ|extract|com(?:e|ing) up with|provid|reply with|suggest)\w*\b[^.\n]{0,80}"
    r"\b(?:title|name)s?\b[^.\n]{0,60}\b(?:conversation|session|chat|thread|topic|summar|branch)"
    r"|\btitle generator\b"
    r"|(?:title|summary)[^.\n]{0,60}\bin (?:under|at most) \d+ (?:characters|words)"
    r"|summarize this [^.\n]{0,40}conversation in under \d+ (?:characters|words)"
    r"|^(?:### task:\s*)?generate [^.\n]{0,40}\btitle\b",
    re.IGNORECASE | re.MULTILINE,
)
_TOPIC = re.compile(
    r"\bisNewTopic\b|indicates a new conversation topic|generate 1-3 broad tags", re.IGNORECASE
)
_SUMMARY = re.compile(
    r"summari[sz]e (?:what (?:the|an) agent|the (?:agent|tool|following tool)|this tool)"
    r"|(?:tool[- ]use|away|progress) summar(?:y|ies)"
    r"|write a (?:short|brief|one-line|1-2 sentence)[^.\n]{0,40}(?:summary|recap|status)",
    re.IGNORECASE,
)
_SUGGESTION = re.compile(
    r"\[SUGGESTION MODE|suggest 3-5 relevant follow-up|predict (?:what )?the user(?:'s next| will)"
    r"|who should speak next|next[_ ]speaker",
    re.IGNORECASE,
)
_WARM_UP = re.compile(r"^\s*(?:warm[ -]?up|resume_cache_warm)\.?\s*$", re.IGNORECASE)
_HEAD = 1_500
_SHORT = 4


class Housekeeping(StrEnum):
    """What a client does for itself."""

    TITLE = "title"
    TOPIC = "topic"
    SUMMARY = "summary"
    SUGGESTION = "suggestion"
    AUXILIARY = "auxiliary"
    """The client itself says so (`x-claude-code-request-class`)."""
    WARM_UP = "warm_up"
    QUOTA = "quota"


MEANS_THE_MODEL = frozenset({Housekeeping.WARM_UP, Housekeeping.QUOTA})
"""Sent for the sake of the model that they name: its cache, its limits. Moved, they would cost
next to nothing less, and do nothing."""


def housekeeping(
    signals: Signals, facts: CallFacts, request_class: str = ""
) -> Housekeeping | None:
    """What a call is for, if it is not an agent's own work.

    Args:
        signals: Of its prompt.
        facts: Of its body.
        request_class: `x-claude-code-request-class`, if sent.
    """
    most = facts.max_output_tokens
    if most is not None and most <= 1 and not facts.server_history:
        if most == 0 or _WARM_UP.match(signals.ask):
            return Housekeeping.WARM_UP
        if signals.ask.strip().lower() in _PROBES and signals.turns == 0:
            return Housekeeping.QUOTA
    if _WARM_UP.match(signals.ask) and signals.turns == 0:
        return Housekeeping.WARM_UP
    # The classifier that lets an agent use its tools is not streamed (provider-facts A9), and must
    # not become a weaker one: whatever might be it is scored like any other call.
    if request_class == "auxiliary" and facts.stream:
        return Housekeeping.AUXILIARY
    if facts.tools > _SHORT or signals.ask_bytes > MAX_ASK_BYTES:
        return None
    return _by_words(signals)


def _by_words(signals: Signals) -> Housekeeping | None:
    # Clients put their own orders into the system prompt, or into an ask that they make up.
    text = f"{signals.system[:_HEAD]}\n{signals.ask[:_HEAD]}"
    lowered = text.lower()
    for kind, marks, words in _RULES:
        # A literal search is a hundred times as fast as an expression, and nearly always enough.
        if any(mark in lowered for mark in marks) and words.search(text):
            return kind
    return None


_RULES = (
    (Housekeeping.TOPIC, ("topic", "tags"), _TOPIC),
    (Housekeeping.SUGGESTION, ("suggest", "predict", "next"), _SUGGESTION),
    (Housekeeping.TITLE, ("title", "name", "in under"), _TITLE),
    (Housekeeping.SUMMARY, ("summar", "recap", "status"), _SUMMARY),
)
