"""Who may steer the gateway, and what is remembered of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"


class Role(StrEnum):
    """What somebody may do; each role may do all that those before it may."""

    VIEWER = "viewer"
    """See everything but keys, providers and tokens."""
    OPERATOR = "operator"
    """Change agents, teams, lanes, budgets and the queue."""
    ADMIN = "admin"
    """Keys, providers, tokens and the configuration, too."""

    def includes(self, other: "Role") -> bool:
        """Whether whoever has this role may do what the other role may."""
        return _RANKS[self] >= _RANKS[other]


_RANKS = {role: rank for rank, role in enumerate(Role)}

ROOT_TOKEN = "configured"  # noqa: S105 - its name
"""Stands for the id of the token that is configured or was generated at the first start."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts.

    Attributes:
        name: Of the token that was presented.
        token_id: Its id.
    """

    name: str
    role: Role
    token_id: str = ROOT_TOKEN


@dataclass(frozen=True, slots=True)
class AdminToken:
    """What is known of a token of the admin API, its secret apart.

    Attributes:
        token_id: Names the token; the middle part of it.
        name: Whose it is, for people and for the audit.
        digest: SHA-256 of the whole token.
        created_s: Seconds since the epoch, as all times here.
        expires_s: When it stops working; `None`: never.
    """

    token_id: str
    name: str
    role: Role
    digest: bytes = field(repr=False)
    created_s: float
    expires_s: float | None = None

    def works_at(self, now_s: float) -> bool:
        """Whether it opens the admin API at this time."""
        return self.expires_s is None or now_s < self.expires_s


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token just made, with the only copy of its secret."""

    token: AdminToken
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change, as it is remembered for good.

    Attributes:
        at_s: Seconds since the epoch.
        actor: Name of the token, or `gateway` for what happens by itself.
        role: The actor's.
        address: Where the request came from; empty if from nowhere.
        action: What was done: `COLLECTION.VERB`.
        subject: What it was done to: the path below `/admin/v1`.
        before: As it was; no secrets.
        after: As it is; no secrets.
        request_id: Of the request that did it.
        entry_id: Given by the store; grows with time.
    """

    at_s: float
    actor: str
    role: str
    address: str
    action: str
    subject: str
    before: Json
    after: Json
    request_id: str
    entry_id: str = ""


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Which entries are wanted; what is empty or `None` does not narrow.

    Attributes:
        since_s: Not older.
        until_s: Older than this.
        subject: This one, or those below it.
    """

    actor: str = ""
    action: str = ""
    subject: str = ""
    request_id: str = ""
    since_s: float | None = None
    until_s: float | None = None

    def wants(self, entry: AuditEntry) -> bool:
        """Whether an entry is wanted, times apart."""
        return (
            self.actor in {"", entry.actor}
            and self.action in {"", entry.action}
            and self.request_id in {"", entry.request_id}
            and (
                self.subject in {"", entry.subject}
                or entry.subject.startswith(self.subject.rstrip("/") + "/")
            )
        )
