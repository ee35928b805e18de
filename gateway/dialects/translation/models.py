"""What a model's name tells of what it takes (provider-facts A6, B10, B12).

Providers change parameters with their models and refuse what a model does not know. Where a name
is not recognised, the newest known ways of its provider hold, which is what a new name will want.
"""

import re
from typing import Final

_CLAUDE_BUDGET = re.compile(r"claude-(?:3|(?:opus|sonnet|haiku)-4(?:-[0-6])?(?:-\d{8})?$)")
_CLAUDE_NO_FORCE = re.compile(r"claude-(?:opus-5-5|sonnet-5-5|fable-5-[1-9]|mythos-5-[1-9])")
_CLAUDE_MUST_THINK = re.compile(r"claude-(?:opus-5-5|fable|mythos)")
_REASONING = re.compile(r"(?:o\d|gpt-[5-9]|codex)")
_OPENAIS = re.compile(r"(?:ft:)?(?:gpt-|chatgpt-|o\d|codex)")
_PLAIN_GPT = re.compile(r"(?:ft:)?(?:gpt-[34]|chatgpt-4)")
_OLD_REASONING = re.compile(r"(?:o\d|gpt-5(?:-mini|-nano)?(?:-\d{4}-\d{2}-\d{2})?$)")
_GEMINI_BUDGET = re.compile(r"gemini-(?:1|2)")

CLAUDE_MAX_OUTPUT: Final = 32_000
"""What is asked of Claude when the caller states no maximum, which the API demands: every current
model can, and only real output counts against its limit (provider-facts A4)."""


_MAX_OUTPUT: Final = tuple(
    (re.compile(pattern), tokens)
    for pattern, tokens in (
        (r"gpt-4o-64k", 65_536),
        (r"gpt-4o|chatgpt-4o", 16_384),
        (r"gpt-4\.1", 32_768),
        (r"gpt-3|gpt-4-turbo|gpt-4-\d+-preview", 4_096),
        (r"gpt-4", 8_192),
        (r"o\d", 100_000),
        (r"gpt-[5-9]", 128_000),
        (r"claude-3-[57]-sonnet|claude-3-5-haiku", 8_192),
        (r"claude-3", 4_096),
        (r"claude-opus-4(?:-[01])?(?:-\d{8})?$", 32_000),
        (r"claude-(?:sonnet-4|haiku-4|opus-4-5)(?:-[05])?(?:-\d{8})?$", 64_000),
        (r"claude-", 128_000),
        (r"gemini-(?:1|2\.0)", 8_192),
        (r"gemini-", 65_536),
    )
)
"""The longest answers (provider-facts A6, B6, B12; older models by their providers' pages): agents
ask for as much as their usual model can, and others refuse a number over their own."""


def bounded_output(model: str, tokens: int) -> int:
    """A maximum of output tokens that the model takes; the same where nothing is known of it."""
    for pattern, most in _MAX_OUTPUT:
        if pattern.match(model):
            return min(tokens, most)
    return tokens


def claude_thinks_by_budget(model: str) -> bool:
    """Claude up to 4.6 takes a budget; later ones refuse it and take an effort."""
    return _CLAUDE_BUDGET.match(model) is not None


def claude_can_be_forced(model: str) -> bool:
    """Whether a tool choice may force a tool."""
    return _CLAUDE_NO_FORCE.match(model) is None


def claude_can_stop_thinking(model: str) -> bool:
    """Whether `thinking: disabled` is taken."""
    return _CLAUDE_MUST_THINK.match(model) is None


def is_openais(model: str) -> bool:
    """Whether this is one of OpenAI's own models, by its name."""
    return _OPENAIS.match(model) is not None


def gpt_reasons(model: str) -> bool:
    """OpenAI's reasoning models refuse sampling parameters and stop sequences."""
    return _REASONING.match(model) is not None


def gpt_takes_effort(model: str) -> bool:
    """Whether `reasoning_effort` is known; servers of other models mostly ignore it."""
    return _PLAIN_GPT.match(model) is None


def gpt_has_old_efforts(model: str) -> bool:
    """The first reasoning models know low, medium and high only (gpt-5: minimal too)."""
    return _OLD_REASONING.match(model) is not None


def gemini_thinks_by_budget(model: str) -> bool:
    """Gemini up to 2.5 takes a budget, later ones a level, and want signed function calls."""
    return _GEMINI_BUDGET.match(model) is not None
