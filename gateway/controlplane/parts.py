"""How a route gets at what the control plane works with."""

from fastapi import Request

from .provided import AdminParts

__all__ = ["AdminParts", "parts_of"]


def parts_of(request: Request) -> AdminParts:
    """The parts of the application that serves a request."""
    parts = request.app.state.parts
    if not isinstance(parts, AdminParts):
        raise TypeError("the admin application was built without its parts")
    return parts
