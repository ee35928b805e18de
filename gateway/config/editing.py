"""Editing the configuration at run time: one revision of it, and the next one after an edit.

Everything here is a value: an edition knows this replica's file, what was changed at run time, and
the time; an edit gives a new edition, checked, which somebody else stores.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from functools import cached_property

from gateway.core.temporary import is_over
from gateway.domain.access import Json
from gateway.domain.overrides import (
    Collection,
    FieldFault,
    Item,
    ItemOrigin,
    ItemOverride,
    Overrides,
    UnfitEdit,
)
from gateway.domain.temporary import TemporaryBudget
from gateway.domain.topology import Topology

from .faults import ConfigError, Fault
from .leaves import NOT_EDITED, flattened, leaf_fields
from .overlay import LeftOut, is_about, overlaid, overlaid_as_far_as_it_fits, with_temporary
from .reading import Origin, Plain
from .settings import Settings
from .show import effective, items

KEPT_AFTER_S = 7 * 86_400.0
"""How long a temporary budget is still shown after its end."""
MAX_ITEMS = 20_000
"""Of items changed at run time."""


class Edition:
    """Implements `gateway.ports.Edition`.

    Args:
        base: What the file and the environment say.
        overrides: What was changed at run time.
        now_s: The time, for temporary budgets.
        read: What was changed at run time before the edits that led here.
        lasting: The settings with these changes, if they are known already.
    """

    def __init__(
        self,
        base: Settings,
        overrides: Overrides,
        now_s: float,
        read: Overrides | None = None,
        lasting: Settings | None = None,
    ) -> None:
        self.read = overrides if read is None else read
        self._base = base
        self._now_s = now_s
        self.overrides = overrides
        self.lasting: Settings
        self.left_out: Sequence[LeftOut]
        if lasting is None:
            self.lasting, self.left_out = overlaid_as_far_as_it_fits(base, overrides.items)
        else:
            self.lasting, self.left_out = lasting, ()
        self.settings: Settings = with_temporary(self.lasting, overrides.temporary.values(), now_s)

    @property
    def topology(self) -> Topology:
        """As it is in force now, temporary budgets included."""
        return self.settings.topology

    @property
    def lasting_topology(self) -> Topology:
        """As it is without temporary budgets."""
        return self.lasting.topology

    @cached_property
    def _documents(self) -> dict[str, dict[str, Plain]]:
        """All items, as the file would have them."""
        return items(self.lasting)

    # --- looking ------------------------------------------------------------------------------

    @property
    def keyed_agents(self) -> Set[str]:
        """Agents to whom the file gives a key."""
        return self.lasting.agent_keys.keys()

    def names(self, collection: Collection) -> list[str]:
        """Names of the items that there are."""
        return sorted(self._documents[collection])

    def item(self, collection: Collection, name: str) -> Item | None:
        """One item, temporary budgets left out."""
        document = self._documents[collection].get(name)
        if not isinstance(document, dict):
            return None
        shown = {
            field: value
            for field, value in document.items()
            if field not in NOT_EDITED.get(collection, frozenset())
        }
        override = self.overrides.items.get(f"{collection}/{name}")
        origins = {
            path: _origin(self.lasting.origins.get(f"{collection}.{name}.{path}"))
            for path in leaf_fields(collection)
        }
        return Item(
            name=name,
            document=shown,
            origins=origins,
            override=override,
            in_file=name in _tables(self._base)[collection],
            revision=self.overrides.revision_of(collection, name),
        )

    def effective(self) -> Mapping[str, Json]:
        """Every setting in force with its origin."""
        return effective(self.settings)

    def origin(self, path: str) -> ItemOrigin:
        """Where a value in force comes from, temporary budgets included."""
        return _origin(self.settings.origins.get(path))

    # --- editing ------------------------------------------------------------------------------

    def written(
        self,
        collection: Collection,
        documents: Mapping[str, Mapping[str, Json]],
        by: str,
        *,
        whole: bool,
    ) -> "Edition":
        """With items, by name, as documents say, or changed by merge patches.

        Raises:
            UnfitEdit: It does not fit.
        """
        changed: dict[str, ItemOverride] = {}
        for name, document in documents.items():
            try:
                values = flattened(collection, name, document, whole=whole)
            except ConfigError as error:
                raise unfit(error, ()) from None
            key = f"{collection}/{name}"
            before = self.overrides.items.get(key)
            if before is not None and not before.deleted:
                values = {**before.values, **values}
            changed[key] = ItemOverride(values, False, *self._stamp(by))
        return self._next(changed)

    def without(self, collection: Collection, name: str, by: str) -> "Edition":
        """Without an item, whatever the file says.

        Raises:
            UnfitEdit: Others need it.
        """
        key = f"{collection}/{name}"
        return self._next({key: ItemOverride({}, True, *self._stamp(by))})

    def reset(self, keys: Iterable[str]) -> "Edition":
        """With items (`COLLECTION/NAME`) as the file has them.

        Raises:
            UnfitEdit: That does not fit what else was changed.
        """
        gone = set(keys)
        overrides = self.overrides
        changed = replace(
            overrides,
            revision=self._revision,
            items={key: one for key, one in overrides.items.items() if key not in gone},
            resets={**overrides.resets, **dict.fromkeys(gone, self._revision)},
        )
        return self._checked(changed, ())

    def with_budget(self, budget: TemporaryBudget) -> "Edition":
        """With a temporary budget; those that ended long ago are forgotten."""
        kept = {
            key: one
            for key, one in self.overrides.temporary.items()
            if not is_over(one.window, self._now_s - KEPT_AFTER_S)
        }
        kept[budget.budget_id] = budget
        return self._with_temporary(kept)

    def without_budget(self, budget_id: str) -> "Edition":
        """Without a temporary budget."""
        return self._with_temporary(
            {key: one for key, one in self.overrides.temporary.items() if key != budget_id}
        )

    def reloaded(self) -> "Edition":
        """All replicas are to read their files again."""
        reloads = self.overrides.reloads + 1
        return self._following(replace(self.overrides, revision=self._revision, reloads=reloads))

    def _with_temporary(self, budgets: Mapping[str, TemporaryBudget]) -> "Edition":
        return self._following(replace(self.overrides, revision=self._revision, temporary=budgets))

    @property
    def _revision(self) -> int:
        """Of the edition that the edits lead to: one step, however many they are."""
        return self.read.revision + 1

    def _following(self, changed: Overrides) -> "Edition":
        """The next edition, in which no item is changed."""
        known = None if self.left_out else self.lasting
        return Edition(self._base, changed, self._now_s, self.read, known)

    def at(self, now_s: float) -> "Edition":
        """The same at another time."""
        known = None if self.left_out else self.lasting
        return Edition(self._base, self.overrides, now_s, lasting=known)

    def _stamp(self, by: str) -> tuple[int, float, str]:
        return self._revision, self._now_s, by

    def _next(self, edits: Mapping[str, ItemOverride]) -> "Edition":
        overrides = self.overrides
        changed = replace(
            overrides,
            revision=self._revision,
            items={**overrides.items, **edits},
            resets={one: at for one, at in overrides.resets.items() if one not in edits},
        )
        if len(changed.items) > MAX_ITEMS:
            fault = FieldFault("", f"more than {MAX_ITEMS} items were changed at run time")
            raise UnfitEdit([fault], elsewhere=True)
        return self._checked(changed, tuple(edits))

    def _checked(self, changed: Overrides, edited: Sequence[str]) -> "Edition":
        """The edition, if what fitted before fits still.

        Raises:
            UnfitEdit: It does not; changes that did not fit this replica's file before are not
                held against it.
        """
        excused = {one.item for one in self.left_out} - set(edited)
        demanded = {one: item for one, item in changed.items.items() if one not in excused}
        try:
            lasting = overlaid(self._base, demanded)
        except ConfigError as error:
            raise unfit(error, edited) from None
        known = lasting if len(demanded) == len(changed.items) else None
        return Edition(self._base, changed, self._now_s, self.read, known)


def unfit(error: ConfigError, edited: Sequence[str]) -> UnfitEdit:
    """The faults of a configuration, as the port tells them.

    Args:
        error: The faults.
        edited: The items (`COLLECTION/NAME`) that were edited.
    """
    faults = [_fault(one) for one in error.faults]
    here = any(is_about(fault, key) for fault in error.faults for key in edited)
    return UnfitEdit(faults, elsewhere=bool(edited) and not here)


def _tables(settings: Settings) -> Mapping[Collection, Mapping[str, object]]:
    topology = settings.topology
    return {
        Collection.PROVIDERS: topology.providers,
        Collection.LANES: topology.lanes,
        Collection.TEAMS: topology.teams,
        Collection.AGENTS: topology.agents,
    }


def _fault(fault: Fault) -> FieldFault:
    return FieldFault(fault.field, fault.message, fault.remedy)


def _origin(origin: Origin | None) -> ItemOrigin:
    found = Origin() if origin is None else origin
    return ItemOrigin(found.word, "" if found == Origin() else str(found), found.temporary)
