"""Signs that a model does not manage, as the next call of its conversation shows them.

All are seen from outside, in what the agent sends back: the same tool called again and again,
arguments that the tool refused, a tool that the model said it could not use. What the provider
itself refuses (a capability, a context too long) is seen when it answers.
"""

import re

from gateway.domain.outcome import ProviderVerdict
from gateway.domain.signals import Signals

REPEATS = 3
"""So many identical tool calls in a row are no progress."""

_REFUSES_TOOL = re.compile(
    r"\b(?:I|I'm|I am)\s+(?:cannot|can't|can not|do not|don't|am not able|unable|not able)\b"
    r"[^.\n]{0,60}\b(?:tools?|functions?|commands?|files?|execute|run|access|browse)\b",
    re.IGNORECASE,
)
_CAPABILITY = re.compile(
    r"(?:not|n't|un)\s?support\w*|does not have|not (?:available|allowed|permitted) (?:for|with) this"
    r" model|unknown (?:field|parameter)|extra inputs are not permitted|capability_rejected"
    r"|invalid `?signature`?",
    re.IGNORECASE,
)
_CONTEXT = re.compile(
    r"prompt is too long|context[_ ](?:length|window)|maximum context|too many (?:input )?tokens"
    r"|input token count .* exceeds",
    re.IGNORECASE,
)
_STATUSES = frozenset({400, 404, 413, 422})


def sign_of_trouble(signals: Signals) -> str:
    """What a call shows of the answers before it; empty if nothing is wrong."""
    if _same_again(signals):
        return "repeated_tool_call"
    if any(not use.sound for use in signals.tool_uses[-1:]) or signals.tool_errors:
        return "malformed_arguments"
    if (
        signals.last_answer
        and not signals.last_answer_used_tools
        and _REFUSES_TOOL.search(signals.last_answer)
    ):
        return "refused_tool"
    return ""


def _same_again(signals: Signals) -> bool:
    newest = signals.tool_uses[-REPEATS:]
    return len(newest) == REPEATS and len({use.digest for use in newest}) == 1


def refused_by_provider(status: int, verdict: ProviderVerdict, body: bytes) -> str:
    """Whether an error says that this model cannot take this call; empty if it does not.

    Args:
        status: The HTTP status.
        verdict: What the answer means.
        body: The error, decoded.
    """
    if verdict is not ProviderVerdict.CALLER_ERROR or status not in _STATUSES:
        return ""
    text = body[:4_096].decode("utf-8", "replace")
    if _CONTEXT.search(text):
        return "context_overflow"
    return "capability_error" if _CAPABILITY.search(text) else ""
