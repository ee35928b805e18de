"""`gateway top`: lanes, queue, agents and spend, as they are now."""

from .command import app

__all__ = ["app"]
