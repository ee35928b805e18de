"""The configuration in force in one worker: the file, and what was changed at run time.

Every change is announced by the store; besides, the revision is looked at twice a second, so that
a change acts within one second even if its announcement is lost. The same look lets temporary
budgets begin and end. What comes of it is swapped in whole: who may call, and all limits.

Two replicas with different files on one store: run-time edits hold for both; of what the files say
of the limits of a lane, agent or team, the file that was loaded last counts (`stamps`). Everything
else (providers, priorities, weights, models) each replica takes from its own file.

Failure policy:
    * The store does not answer: what is known stays in force, temporary budgets by this machine's
      clock; said once in the log.
    * A run-time edit does not fit this replica's file: it is left out, and said once in the log.
    * The file cannot be read again: the configuration in force stays, and the log says why.
    * Putting a change in force fails (a fault in the gateway): the configuration in force stays, it is
      tried again twice a second, and the log says why once.
"""

import asyncio
import logging
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

from gateway.config import ConfigError, Settings, read_environment
from gateway.config.editing import Edition, unfit
from gateway.config.source import Source, needs_restart
from gateway.core.admission.stamps import Stamps
from gateway.core.temporary import holding
from gateway.domain.access import AuditEntry
from gateway.domain.overrides import Collection, FieldFault, Overrides, UnfitEdit
from gateway.domain.temporary import TemporaryBudget
from gateway.ports import Clock, StoreSilent
from gateway.ports import Edition as AnyEdition
from gateway.store.audit import StoredAudit
from gateway.store.background import pause, running
from gateway.store.connection import Client
from gateway.store.following import follow
from gateway.store.overrides import CHANGED, OverrideStore

_log = logging.getLogger("gateway")

LOOK_S = 0.5
_SCOPES = {
    Collection.LANES: "lane",
    Collection.TEAMS: "team",
    Collection.AGENTS: "agent",
}
Applied = Callable[["LiveConfiguration"], Awaitable[None]]


class LiveConfiguration:
    """Implements `gateway.ports.Configuration`.

    Args:
        base: What the file says.
        source: Where that came from; `None`: it cannot be read again.
        client: An open client; stays the caller's.
        clock: For temporary budgets and stamps.
    """

    def __init__(self, base: Settings, source: Source | None, client: Client, clock: Clock) -> None:
        self._base = base
        self._source = source
        self._client = client
        self._clock = clock
        self._store = OverrideStore(client)
        self._audit = StoredAudit(client, clock, base.admin.audit_keep_s)
        self._loaded_ms = int(clock.wall() * 1000)
        self._edition = Edition(base, Overrides(), clock.wall())
        self._holding: list[str] = []
        self._apply: Applied | None = None
        self._changing = asyncio.Lock()
        self._reloads = 0
        self._lost = False
        self._failed = -1
        self._due = False

    # --- what is in force ---------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """The settings in force, temporary budgets included."""
        return self._edition.settings

    @property
    def barred(self) -> frozenset[str]:
        """Agents that were deleted at run time."""
        prefix = f"{Collection.AGENTS}/"
        return frozenset(
            key.removeprefix(prefix)
            for key, one in self._edition.overrides.items.items()
            if one.deleted and key.startswith(prefix)
        )

    @property
    def stamps(self) -> Stamps:
        """Which configuration the limits in force belong to."""
        overrides = self._edition.overrides
        touched = {
            **overrides.resets,
            **{key: one.revision for key, one in overrides.items.items()},
        }
        revisions: dict[str, int] = {}
        for key, revision in touched.items():
            collection, name = key.split("/", 1)
            kind = _SCOPES.get(Collection(collection))
            if kind is not None:
                revisions[f"{kind}:{name}"] = revision
        return Stamps(self._loaded_ms, revisions)

    # --- life ---------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Know what was changed at run time.

        Raises:
            StoreSilent: The store does not answer.
        """
        overrides = await self._store.load()
        self._reloads = overrides.reloads
        await self._adopt(overrides)

    @asynccontextmanager
    async def kept_fresh(self, apply: Applied) -> AsyncIterator[None]:
        """Call `apply` for each change, for as long as the context is open."""
        self._apply = apply
        await apply(self)
        async with running(
            "configuration",
            follow(self._client, CHANGED, self._heed, self._note_lost),
            self._look_for_ever(),
        ):
            yield

    async def _heed(self, told: bytes | None) -> None:
        """Whatever is announced or may have been missed: see what there is now."""
        del told
        await self.look()

    async def look(self) -> None:
        """See whether something has changed, and put it in force."""
        async with self._changing:
            try:
                changed = await self._store.revision() != self._edition.overrides.revision
                overrides = await self._store.load() if changed else self._edition.overrides
            except StoreSilent as silent:
                self._note_lost(silent)
                overrides = self._edition.overrides
            else:
                self._note_back()
            reread = overrides.reloads != self._reloads
            if reread:
                self._reloads = overrides.reloads
                self._reread_for_others()
            changed = overrides is not self._edition.overrides
            if reread or changed or self._due or self._turns():
                await self._put_in_force_or_say(overrides)

    # --- the port -----------------------------------------------------------------------------

    async def read(self) -> Edition:
        """As it is now."""
        if await self._store.revision() != self._edition.overrides.revision:
            await self.look()
        return self._edition.at(self._clock.wall())

    async def commit(self, edition: AnyEdition, entries: Sequence[AuditEntry]) -> None:
        """Put an edition in force here and, within a second, everywhere.

        Raises:
            Overtaken: Somebody else has committed meanwhile.
        """
        await self._store.commit(edition.read, edition.overrides, entries)
        await self._audit.trim()
        await self.look()

    async def reload(self) -> Sequence[str]:
        """Read this replica's file again; settings that only a restart changes are named.

        Raises:
            UnfitEdit: The file cannot be used; what was in force stays.
        """
        async with self._changing:
            waiting_for_restart = self._reread()
            await self._put_in_force(self._edition.overrides)
        return waiting_for_restart

    async def reload_or_say(self) -> None:
        """Read the file again; what comes of it stands in the log."""
        try:
            waiting_for_restart = await self.reload()
        except UnfitEdit as fault:
            _log.error("the configuration cannot be read again, the old one stays: %s", fault)
            return
        if waiting_for_restart:
            named = ", ".join(waiting_for_restart)
            _log.warning("the configuration was read again; at the next start also: %s", named)
        else:
            _log.warning("the configuration was read again")

    # --- inside -------------------------------------------------------------------------------

    def _reread(self) -> tuple[str, ...]:
        """Take the file as it is now for the base.

        Raises:
            UnfitEdit: It cannot be used.
        """
        if self._source is None:
            fault = FieldFault("", "this gateway was not started from a file", "")
            raise UnfitEdit([fault], elsewhere=True)
        try:
            found = self._source.read(read_environment(), self._base)
        except ConfigError as error:
            raise unfit(error, ()) from None
        waiting_for_restart = needs_restart(self._base, found)
        self._base, self._loaded_ms = found, int(self._clock.wall() * 1000)
        return waiting_for_restart

    def _reread_for_others(self) -> None:
        """Somebody told all replicas to read their files again."""
        try:
            self._reread()
        except UnfitEdit as fault:
            _log.error("the configuration cannot be read again, the old one stays: %s", fault)

    def _turns(self) -> bool:
        """Whether a temporary budget begins or ends now."""
        budgets = self._edition.overrides.temporary.values()
        return bool(budgets) and self._holding != _names(budgets, self._clock.wall())

    async def _adopt(self, overrides: Overrides) -> None:
        """Work out what is in force, beside the calls: with many agents it takes a while."""
        now_s = self._clock.wall()
        told = {one.item for one in self._edition.left_out}
        loop = asyncio.get_running_loop()
        self._edition = await loop.run_in_executor(None, Edition, self._base, overrides, now_s)
        self._holding = _names(overrides.temporary.values(), now_s)
        for one in self._edition.left_out:
            if one.item not in told:
                why = "; ".join(str(fault) for fault in one.faults)
                _log.error("the run-time change of %s does not fit here: %s", one.item, why)

    async def _put_in_force_or_say(self, overrides: Overrides) -> None:
        """A fault of ours must not end the worker, and is said once for each revision."""
        try:
            await self._put_in_force(overrides)
        except Exception:  # noqa: BLE001 - logged
            if overrides.revision != self._failed:
                self._failed = overrides.revision
                _log.exception("a change of the configuration failed; the old one stays in force")

    async def _put_in_force(self, overrides: Overrides) -> None:
        self._due = True  # until it has gone well
        await self._adopt(overrides)
        if self._apply is not None:
            await self._apply(self)
        self._due = False

    async def _look_for_ever(self) -> None:
        while True:
            await pause(LOOK_S)
            await self.look()

    def _note_lost(self, error: Exception) -> None:
        if not self._lost:
            self._lost = True
            _log.warning("changes of the configuration may come late, the store fails: %s", error)

    def _note_back(self) -> None:
        if self._lost:
            self._lost = False
            _log.warning("the store is back; the configuration is up to date")


@contextmanager
def reloaded_by_signal(live: LiveConfiguration) -> Iterator[None]:
    """Read the file again at SIGHUP; where a terminal is, its end goes on ending the process."""
    if threading.current_thread() is not threading.main_thread() or sys.stdin.isatty():
        yield
        return
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    def reload() -> None:
        task = loop.create_task(live.reload_or_say())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    loop.add_signal_handler(signal.SIGHUP, reload)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)


def _names(budgets: Iterable[TemporaryBudget], now_s: float) -> list[str]:
    return [one.budget_id for one in holding(budgets, now_s)]
