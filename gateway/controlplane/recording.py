"""The audit from inside a route: an argument `changes: Recording`.

    await changes.record("lanes.pause", f"lanes/{name}", {"paused": False}, {"paused": True})

A change is recorded once it was made, before the answer. Should the store fall silent in between,
the caller hears 503 and the change stands in the gateway's log instead.
"""

import logging
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import Depends, Request

from gateway.domain.access import Actor, AuditEntry, Json
from gateway.ports import StoreSilent

from .auth import address_of
from .parts import AdminParts, parts_of

log = logging.getLogger("gateway.controlplane")


@dataclass(frozen=True, slots=True)
class Recorder:
    """Remembers what one request changes."""

    parts: AdminParts
    actor: Actor
    address: str
    request_id: str

    def entry(self, action: str, subject: str, before: Json, after: Json) -> AuditEntry:
        """An entry for a change of this request. It must hold no secret."""
        return AuditEntry(
            at_s=self.parts.clock.wall(),
            actor=self.actor.name,
            role=self.actor.role,
            address=self.address,
            action=action,
            subject=subject,
            before=before,
            after=after,
            request_id=self.request_id,
        )

    async def record(self, action: str, subject: str, before: Json, after: Json) -> None:
        """Remember a change.

        Raises:
            StoreSilent: It could not be kept.
        """
        entry = self.entry(action, subject, before, after)
        try:
            await self.parts.audit.record(entry)
        except StoreSilent:
            log.error("a change was made but is not in the audit: %s", entry)  # noqa: TRY400
            raise


def _recorder(request: Request, parts: Annotated[AdminParts, Depends(parts_of)]) -> Recorder:
    state = request.state
    return Recorder(parts, state.actor, address_of(request.scope), state.request_id)


Recording: TypeAlias = Annotated[Recorder, Depends(_recorder)]
