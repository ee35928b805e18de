"""Drives the model of admission and the script on a real Valkey with the same calls."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import redis

from gateway.core.admission.messages import Event, Operation
from gateway.core.admission.operations import Answer, Engine
from gateway.core.admission.snapshot import BudgetSnapshot, LaneSnapshot
from gateway.store.scripts import admission_script

LEASE_US = 3_000_000
_SCRIPT = admission_script()
_SNAPSHOTS = {"lane": LaneSnapshot, "agent": BudgetSnapshot, "team": BudgetSnapshot}


def _snapshot(scope: Any, found: object) -> LaneSnapshot | BudgetSnapshot:
    kind: type[LaneSnapshot] | type[BudgetSnapshot] = _SNAPSHOTS[str(scope).split(":", 1)[0]]
    return msgspec.convert(found, kind, strict=False)


def _differences(script: object, model: object) -> dict[str, tuple[object, object]]:
    """Fields that differ, as the script and as the model has them."""
    both = ((name, getattr(script, name), getattr(model, name)) for name in script.__slots__)  # type: ignore[attr-defined] # snapshots have them
    return {name: (one, other) for name, one, other in both if one != other}


@dataclass
class Both:
    """Model and script side by side; any difference fails.

    Attributes:
        client: Of an empty store.
        scopes: What is compared after every call.
    """

    client: redis.Redis
    root: str
    scopes: Sequence[str] = ()
    now_us: int = 1_795_000_000_000_000

    def __post_init__(self) -> None:
        self.engine = Engine(LEASE_US)
        self.digest = str(self.client.script_load(_SCRIPT.source))

    def call(self, replica: str, *operations: Operation, number: int = 0) -> Answer:
        """One call of a replica, numbered if wanted; the answer on which both agree."""
        views: list[Operation] = [["inspect", scope, 1] for scope in self.scopes]
        batch = [operations[0], *views, *operations[1:]]
        if number:
            batch.insert(0, ["batch", number])
        packed = msgspec.msgpack.encode(batch)
        reply: Any = self.client.evalsha(
            self.digest, 1, self.root, replica, str(self.now_us), str(LEASE_US), packed
        )
        script = self._read(batch, msgspec.msgpack.decode(reply))
        model = self.engine.call(replica, batch, self.now_us)
        assert script.known == model.known, f"{operations}: known"
        assert script.late == model.late, f"{operations}: late"
        if not model.known or model.late is not None:
            return model
        assert script.events == model.events, f"{operations}: events"
        assert script.lanes == model.lanes, f"{operations}: next times"
        for scope, ours, theirs in zip(
            [op[1] for op in batch if op[0] == "inspect"],
            script.snapshots,
            model.snapshots,
            strict=True,
        ):
            assert ours == theirs, f"{operations}: state of {scope}: {_differences(ours, theirs)}"
        return model

    def outbox(self, replica: str) -> list[Event]:
        """Take what both put into a replica's outbox."""
        key = f"{self.root}:out:{replica}"
        found: list[Event] = []
        entries: Any = self.client.lrange(key, 0, -1)
        self.client.delete(key)
        for entry in entries:
            found += msgspec.msgpack.decode(entry)
        assert found == self.engine.outbox(replica), f"outbox of {replica}"
        return found

    @staticmethod
    def _read(batch: Sequence[Operation], reply: list[Any]) -> Answer:
        if len(reply) == 1:
            return Answer(known=False)
        if len(reply) == 2:
            return Answer(known=True, late=reply[1])
        _, events, lanes, found = reply
        scopes = [op[1] for op in batch if op[0] == "inspect"]
        snapshots = [_snapshot(scope, view) for scope, view in zip(scopes, found, strict=True)]
        return Answer(True, list(events), [(n, t, o) for n, t, o in lanes], snapshots)
