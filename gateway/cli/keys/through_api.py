"""Keys by the admin API of a gateway whose store cannot be reached from here."""

from dataclasses import dataclass
from typing import Any

from gateway.cli.admin_access import AdminApi
from gateway.cli.failing import Failure
from gateway.cli.items import place

from .desk import Key, MadeKey


@dataclass(frozen=True)
class ApiDesk:
    """Implements `Desk`."""

    api: AdminApi

    def create(self, agent: str, expires_in_s: float | None) -> MadeKey:
        """Make a key."""
        wish = {"agent": agent, "expires_in_s": _whole(expires_in_s)}
        return _made(self.api.change("POST", "keys", wish))

    def all(self) -> list[Key]:
        """All keys ever made, oldest first."""
        return [_shown(one) for one in self.api.all("keys") if one["origin"] != "file"]

    def find(self, key_id: str) -> Key:
        """One key that must be there."""
        found = self.api.find(self._path(key_id))
        if found is None:
            raise Failure(f"no key has the public id {key_id!r}. See: gateway keys list")
        return _shown(found)

    def given(self) -> str:
        """Which agents have a key in the file."""
        named = [one["agent"] for one in self.api.all("keys") if one["origin"] == "file"]
        return f"Keys of {', '.join(named)} are in the gateway's file." if named else ""

    def without_budget(self, agent: str) -> str:
        """That an agent is not configured."""
        found = self.api.find(place("agents", agent))
        if found is not None and found["configured"]:
            return ""
        return f"Note: the gateway has no settings for agent {agent}, so it has no budget."

    def revoke(self, key_id: str) -> Key:
        """End a key for good."""
        self.api.change("DELETE", self._path(key_id))
        return self.find(key_id)

    def expire(self, key_id: str, in_s: float | None) -> Key:
        """Let a key end after a time, or never."""
        after = None if in_s is None else max(1, round(in_s))
        return _shown(self.api.change("PATCH", self._path(key_id), {"expires_in_s": after}))

    def rotate(self, key_id: str, overlap_s: float, expires_in_s: float | None) -> MadeKey:
        """Make another key for the same agent."""
        how = {"overlap_s": round(overlap_s), "expires_in_s": _whole(expires_in_s)}
        return _made(self.api.change("POST", f"{self._path(key_id)}:rotate", how))

    def _path(self, key_id: str) -> str:
        if not key_id.isalnum():
            raise Failure(f"no key has the public id {key_id!r}. See: gateway keys list")
        return place("keys", key_id)


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else max(1, round(seconds))


def _made(made: Any) -> MadeKey:
    return MadeKey(_shown(made), made["key"])


def _shown(one: Any) -> Key:
    state = "active" if one["works"] else "expired"
    return Key(
        id=one["id"],
        agent=one["agent"],
        state="revoked" if one["revoked_at"] else state,
        created=_second(one["created_at"]),
        expires=_second(one["expires_at"]),
        revoked=_second(one["revoked_at"]),
        last_used=_second(one["last_used_at"]),
    )


def _second(at: str | None) -> str | None:
    return None if at is None else f"{at[:19]}Z"
