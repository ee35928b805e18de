"""What the control plane works with: ports and facts, handed in once by the composition root."""

from dataclasses import dataclass, field

from fastapi import Request

from gateway.ports import Books, Clock, Directory, Explanations


@dataclass(frozen=True, slots=True)
class AdminParts:
    """Everything outside the control plane that it uses.

    Attributes:
        token: The bearer token that opens it.
        version: Of the gateway, for the API's description.
    """

    token: str = field(repr=False)
    version: str
    books: Books
    directory: Directory
    explanations: Explanations
    clock: Clock


def parts_of(request: Request) -> AdminParts:
    """The parts of the application that serves a request."""
    parts = request.app.state.parts
    if not isinstance(parts, AdminParts):
        raise TypeError("the admin application was built without its parts")
    return parts
