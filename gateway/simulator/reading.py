"""Reading JSON of any shape without assuming one."""

from typing import Any


def items(value: Any) -> list[Any]:
    """The items of a list; of anything else none."""
    return value if isinstance(value, list) else []


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects in a list; of anything else none."""
    return [part for part in items(value) if isinstance(part, dict)]


def strings(value: Any) -> list[str]:
    """The strings in a list."""
    return [part for part in items(value) if isinstance(part, str)]


def last_text(content: Any) -> str:
    """The text of message content: itself, or its last text part, or nothing."""
    if isinstance(content, str):
        return content
    texts = [part["text"] for part in objects(content) if isinstance(part.get("text"), str)]
    return texts[-1] if texts else ""
