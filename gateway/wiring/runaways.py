"""Watches agents by their finished calls, says which run away, and stops them if that is wanted.

Each replica watches the calls that it serves itself, and hears what the others find suspicious; an
agent that one of them stops is stopped at all. An agent is told of once per cause and pause, so that a loop does not fill the log.
"""

import logging
from collections.abc import Callable

from gateway.core.breaker import BreakerSettings
from gateway.core.breaker_board import BreakerBoard
from gateway.core.explaining import CLIENT_LEFT
from gateway.core.runaway import (
    Evidence,
    RunawayMode,
    RunawaySettings,
    RunawayWatch,
    Seen,
    Sighting,
)
from gateway.domain.breaking import BreakerKey
from gateway.domain.facts import AgentTrip, BreakerScope, CallRecord
from gateway.domain.outcome import Fault
from gateway.ports import BreakerObserver, Clock

log = logging.getLogger("gateway.runaways")
_LONGEST_PAUSES = 32
_MOST_TOLD = 1000


def breaker_settings(settings: RunawaySettings) -> BreakerSettings:
    """How long an agent stays stopped."""
    return BreakerSettings(
        open_s=settings.pause_s, longest_s=settings.pause_s * _LONGEST_PAUSES, jitter=0.0
    )


class Runaways:
    """Implements `gateway.ports.Observer`."""

    def __init__(
        self,
        settings: RunawaySettings,
        board: BreakerBoard,
        observer: BreakerObserver,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._watch = RunawayWatch(settings, self._say)
        self.tell: Callable[[Sighting], None] = _nobody
        """Takes what the other replicas should hear."""
        self._board = board
        self._observer = observer
        self._clock = clock
        self._told: dict[tuple[str, str], float] = {}

    def call_finished(self, record: CallRecord) -> None:
        """See one call."""
        if not record.agent or self._settings.mode is RunawayMode.OFF:
            return
        now_s = self._clock.wall()
        evidence = self._watch.see(_seen(record), now_s)
        if evidence is not None:
            self._act(record.agent, evidence, now_s)

    def hear(self, seen: Sighting) -> None:
        """Another replica has seen this."""
        self._watch.hear(seen)

    def _say(self, seen: Sighting) -> None:
        self.tell(seen)

    def forget(self, agent: str) -> None:
        """An agent was resumed, and begins anew."""
        self._watch.forget(agent)

    def _act(self, agent: str, evidence: Evidence, now_s: float) -> None:
        subject = (agent, evidence.cause)
        if now_s < self._told.get(subject, 0.0):
            return
        if len(self._told) >= _MOST_TOLD:
            self._told = {one: until for one, until in self._told.items() if until > now_s}
        enforced = self._settings.mode is RunawayMode.ENFORCE
        if enforced:
            key = BreakerKey(BreakerScope.AGENT, agent)
            self._board.trip(key, evidence.cause, evidence.text, now_s)
        else:
            self._told[subject] = now_s + self._settings.pause_s
        log.warning(
            "agent %s runs away%s: %s", agent, " and is stopped" if enforced else "", evidence.text
        )
        self._observer.agent_tripped(AgentTrip(agent, evidence.cause, enforced=enforced))


def _nobody(seen: Sighting) -> None:
    """Before there is somebody to tell."""


def _seen(record: CallRecord) -> Seen:
    session = record.session
    return Seen(
        agent=record.agent,
        fingerprint=record.fingerprint,
        retried=record.retried,
        status=record.status,
        caller_fault=record.fault is Fault.CALLER and record.status != CLIENT_LEFT,
        cost_microusd=record.cost_microusd,
        context="" if session is None else f"{session.id}/{session.thread}",
        prompt_tokens=record.usage.prompt_tokens,
    )
