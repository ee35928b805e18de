"""What a prompt looks like from outside: read only for calls that a route matches."""

from enum import StrEnum

from .value import value


class Need(StrEnum):
    """Something that a call needs of the model that answers it."""

    TOOLS = "tools"
    PARALLEL_TOOLS = "parallel_tools"
    FORCED_TOOL = "forced_tool"
    VISION = "vision"
    DOCUMENTS = "documents"
    AUDIO = "audio"
    STRUCTURED = "structured"
    THINKING_BUDGET = "thinking_budget"
    """Thinking with a stated budget (`thinking: enabled`, `thinkingBudget`)."""
    THINKING_ADAPTIVE = "thinking_adaptive"
    THINKING_OFF = "thinking_off"
    EFFORT = "effort"
    """A stated effort of thinking or reasoning."""
    SIGNATURES = "signatures"
    """Signed thoughts of another model are in the conversation."""
    CHOICES = "choices"
    """Several answers at once."""


@value
class ToolUse:
    """One tool call of the conversation.

    Attributes:
        digest: Of its name and arguments.
        sound: Its arguments are a JSON object.
    """

    digest: bytes
    sound: bool = True


@value
class Signals:
    """Structural facts of one prompt. Held in memory while the call runs, never recorded.

    Attributes:
        system: The beginning of the system prompt.
        ask: The newest ask: the last user message's own text, without tool results and without
            what a client inserts by itself; long ones without their middle.
        ask_bytes: Its whole length.
        opening: A digest of the first user message's text; empty if there is none.
        turns: Answers of a model in the conversation so far.
        continues: The newest message brings tool results and no ask.
        tool_uses: The newest tool calls of the conversation, oldest first.
        tool_errors: Of the newest message's tool results, how many say that arguments were bad.
        last_answer: The beginning of the newest answer's text.
        last_answer_used_tools: Whether that answer called a tool.
        plan_mode: The client says that the agent plans.
        thinking: Thinking or reasoning is asked for.
        needs: What the answering model must be able to do.
        unknown: Fields or kinds of content that nothing here knows; their first words.
    """

    system: str = ""
    ask: str = ""
    ask_bytes: int = 0
    opening: bytes = b""
    turns: int = 0
    continues: bool = False
    tool_uses: tuple[ToolUse, ...] = ()
    tool_errors: int = 0
    last_answer: str = ""
    last_answer_used_tools: bool = False
    plan_mode: bool = False
    thinking: bool = False
    needs: frozenset[Need] = frozenset()
    unknown: tuple[str, ...] = ()
