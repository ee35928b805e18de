"""Where calls may be answered by a provider of another dialect, and how such a call is put."""

from enum import StrEnum


class Translating(StrEnum):
    """Which calls are translated."""

    OFF = "off"
    """None: a call stays with the providers of its own dialect."""
    MOVED = "moved"
    """Those that a route or a fallback takes to another dialect's model."""
    ALL = "all"
    """These, and calls that name a model which belongs to another dialect's provider."""


class TranslatedApi(StrEnum):
    """Which of OpenAI's APIs a translated call is put in."""

    CHAT = "chat"
    RESPONSES = "responses"
