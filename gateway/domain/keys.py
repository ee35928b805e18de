"""Gateway keys of agents, as they are known once they are made."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What is known of a key, its secret apart.

    Attributes:
        public_id: Names the key; the middle part of it.
        digest: SHA-256 of the whole key.
        created_s: Seconds since the epoch, as all times here.
        expires_s: When it stops working; `None`: never.
        revoked_s: When it was revoked, if it was.
        last_used_s: When it was last seen, if ever; late by up to half a minute.
    """

    public_id: str
    agent: str
    digest: bytes = field(repr=False)
    created_s: float
    expires_s: float | None = None
    revoked_s: float | None = None
    last_used_s: float | None = None

    def works_at(self, now_s: float) -> bool:
        """Whether the key opens the gateway at this time."""
        return self.revoked_s is None and (self.expires_s is None or now_s < self.expires_s)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made, with the only copy of its secret."""

    record: KeyRecord
    secret: str = field(repr=False)
