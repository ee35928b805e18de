"""Run-time edits are laid over the configuration by the rules of the file."""

from pathlib import Path

import pytest

from gateway.config import ConfigError, Settings, load_text
from gateway.config.editing import Edition
from gateway.config.leaves import document_schemas, flattened, leaf_fields
from gateway.config.overlay import overlaid, overlaid_as_far_as_it_fits
from gateway.config.show import MASK, items
from gateway.domain.access import Json
from gateway.domain.call import Priority
from gateway.domain.overrides import Collection, ItemOverride, Overrides, UnfitEdit

FILE = """
providers:
  claude: {dialect: anthropic, api_key: secret-of-claude, timeouts: {connect: 3s}}
  local: {dialect: openai, base_url: "http://vllm:8000/v1", api_key: passthrough}
  none: {dialect: openai, base_url: "http://vllm:8001/v1", api_key: none, tls_ca_file: ca.pem}
lanes:
  sonnet: {provider: claude, models: [a*, b], limits: {rpm: 5, itpm: 9}, margin: 5%}
  mini: {provider: local, models: ["gpt*"], charges_max_output: false, floors: {background: 0.3}}
teams:
  red: {budget: {tpm: 100, usd_per_day: 1.234567, mode: soft}}
  blue: {}
agents:
  ann: {team: red, key: "key-of-ann", priority: urgent, weight: 2.5, models: [a*], budget: {rpm: 3}}
  bob: {}
routes: [{simple: gpt-x, match: {agents: [ann], teams: [blue]}}]
fallbacks: {sonnet: [gpt-x]}
"""


@pytest.fixture(scope="module")
def base() -> Settings:
    return load_text(FILE.encode(), {}, folder=Path())


def changes(collection: str, name: str, document: dict[str, Json]) -> dict[str, ItemOverride]:
    kind = Collection(collection)
    values = flattened(kind, name, document, whole=False)
    return {f"{kind}/{name}": ItemOverride(values, changed_by="eve")}


def test_writing_everything_down_and_reading_it_again_changes_nothing(base: Settings) -> None:
    read = overlaid(base, changes("agents", "bob", {"weight": 1}))
    assert read.topology == base.topology
    assert read.agent_keys == base.agent_keys


def test_every_setting_of_an_item_is_in_its_document(base: Settings) -> None:
    documents = items(base)
    for collection in Collection:
        name = next(iter(documents[collection]))
        for path in leaf_fields(collection):
            inner: object = documents[collection][name]
            for part in path.split("."):
                assert isinstance(inner, dict)
                assert part in inner, f"{collection}: {path}"
                inner = inner[part]


def test_only_what_is_changed_changes_and_tells_its_origin(base: Settings) -> None:
    read = overlaid(base, changes("agents", "ann", {"budget": {"rpm": None, "tpm": 7}}))
    ann = read.topology.agents["ann"]
    assert (ann.budget.rpm, ann.budget.tpm) == (None, 7)
    assert (ann.team, ann.priority, ann.weight) == ("red", Priority.URGENT, 2.5)
    assert read.origins["agents.ann.budget.tpm"].word == "runtime"
    assert str(read.origins["agents.ann.budget.rpm"]) == "runtime (eve)"
    assert read.origins["agents.ann.weight"].word == "file"


def test_the_charging_rule_follows_the_provider(base: Settings) -> None:
    read = overlaid(base, changes("lanes", "sonnet", {"provider": "local"}))
    assert read.topology.lanes["sonnet"].charges_max_output is True
    assert read.topology.lanes["mini"].charges_max_output is False  # so says the file


@pytest.mark.parametrize(
    ("collection", "name", "document", "field"),
    [
        ("agents", "ann", {"team": "green"}, "agents.ann.team"),
        ("agents", "ann", {"weight": -1}, "agents.ann.weight"),
        ("agents", "a b", {"weight": 1}, "agents.a b"),
        ("lanes", "new", {"provider": "claude"}, "lanes.new.models"),
        ("lanes", "new", {"provider": "claude", "models": ["b"]}, "lanes.new.models"),
        ("lanes", "sonnet", {"provider": "x"}, "lanes.sonnet.provider"),
        ("providers", "local", {"base_url": "ftp://x"}, "providers.local.base_url"),
        ("providers", "new", {"dialect": "openai"}, "providers.new.api_key"),
        ("teams", "red", {"budget": {"rpm": 0}}, "teams.red.budget.rpm"),
    ],
)
def test_a_fault_names_its_field(
    base: Settings, collection: str, name: str, document: dict[str, Json], field: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        overlaid(base, changes(collection, name, document))
    assert field in [fault.field for fault in refused.value.faults]


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"budget": {"rpm": "5"}}, "agents.ann.budget.rpm"),
        ({"budget": {"rpm": True}}, "agents.ann.budget.rpm"),
        ({"budget": {"rpm": 1.5}}, "agents.ann.budget.rpm"),
        ({"budget": {"rmp": 5}}, "agents.ann.budget.rmp"),
        ({"budget": 5}, "agents.ann.budget"),
        ({"models": "a"}, "agents.ann.models"),
        ({"key": "another-key"}, "agents.ann.key"),
    ],
)
def test_a_value_of_the_wrong_type_names_its_field(document: dict[str, Json], field: str) -> None:
    with pytest.raises(ConfigError) as refused:
        flattened(Collection.AGENTS, "ann", document, whole=False)
    assert [fault.field for fault in refused.value.faults] == [field]


def test_variables_are_not_put_in(base: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "leaked")
    read = overlaid(base, changes("providers", "local", {"api_key": "${SECRET}"}))
    assert read.topology.providers["local"].api_key == "${SECRET}"


def test_what_does_not_fit_this_file_is_left_out_and_the_rest_acts(base: Settings) -> None:
    both = {
        **changes("agents", "carol", {"team": "unknown-here"}),
        **changes("agents", "bob", {"weight": 3}),
    }
    read, left_out = overlaid_as_far_as_it_fits(base, both)
    assert [one.item for one in left_out] == ["agents/carol"]
    assert read.topology.agents["bob"].weight == 3
    edition = Edition(base, Overrides(items=both), 0.0)
    after = edition.written(Collection.AGENTS, {"bob": {"weight": 4}}, "eve", whole=False)
    assert after.topology.agents["bob"].weight == 4


class TestEdition:
    """One revision after the other."""

    def test_secrets_are_masked_and_a_mask_changes_nothing(self, base: Settings) -> None:
        edition = Edition(base, Overrides(), 0.0)
        item = edition.item(Collection.PROVIDERS, "claude")
        assert item is not None
        assert item.document["api_key"] == MASK
        written = edition.written(
            Collection.PROVIDERS, {"claude": item.document}, "eve", whole=True
        )
        assert written.topology.providers == base.topology.providers
        agent = edition.item(Collection.AGENTS, "ann")
        assert agent is not None
        assert "key" not in agent.document
        written = edition.written(Collection.AGENTS, {"ann": agent.document}, "eve", whole=True)
        assert written.topology == base.topology
        assert written.keyed_agents == {"ann"}

    def test_a_whole_document_gives_the_rest_its_default(self, base: Settings) -> None:
        edition = Edition(base, Overrides(), 0.0)
        after = edition.written(Collection.AGENTS, {"ann": {"weight": 4}}, "eve", whole=True)
        ann = after.topology.agents["ann"]
        assert (ann.weight, ann.team, ann.budget.rpm) == (4, None, None)

    def test_edits_add_up_until_they_are_reset(self, base: Settings) -> None:
        edition = Edition(base, Overrides(revision=4), 0.0)
        one = edition.written(Collection.AGENTS, {"ann": {"weight": 4}}, "eve", whole=False)
        assert one.overrides.revision == 5
        stored = Edition(base, one.overrides, 0.0)
        two = stored.written(Collection.AGENTS, {"ann": {"budget": {"tpm": 9}}}, "eve", whole=False)
        ann = two.topology.agents["ann"]
        assert (ann.weight, ann.budget.tpm, two.overrides.revision) == (4, 9, 6)
        back = Edition(base, two.overrides, 0.0).reset(["agents/ann"])
        assert back.topology == base.topology
        assert back.overrides.revision_of(Collection.AGENTS, "ann") == 7

    def test_many_edits_are_one_step(self, base: Settings) -> None:
        edition = Edition(base, Overrides(revision=4), 0.0)
        after = edition.written(Collection.AGENTS, {"ann": {"weight": 4}}, "eve", whole=False)
        after = after.written(Collection.TEAMS, {"blue": {}}, "eve", whole=True)
        assert after.overrides.revision == 5
        assert {one.revision for one in after.overrides.items.values()} == {5}

    def test_who_is_needed_cannot_be_deleted(self, base: Settings) -> None:
        edition = Edition(base, Overrides(), 0.0)
        for collection, name in (
            (Collection.TEAMS, "red"),
            (Collection.TEAMS, "blue"),
            (Collection.LANES, "sonnet"),
            (Collection.PROVIDERS, "claude"),
        ):
            with pytest.raises(UnfitEdit) as refused:
                edition.without(collection, name, "eve")
            assert refused.value.elsewhere

    def test_who_was_deleted_is_gone_until_set_again(self, base: Settings) -> None:
        edition = Edition(base, Overrides(), 0.0).without(Collection.AGENTS, "bob", "eve")
        assert edition.item(Collection.AGENTS, "bob") is None
        assert "bob" not in edition.topology.agents
        again = edition.written(Collection.AGENTS, {"bob": {}}, "eve", whole=True)
        assert "bob" in again.topology.agents


def test_schemas_hold_no_key_and_no_setting_that_cannot_be_edited() -> None:
    schemas = document_schemas()
    assert "key" not in schemas[Collection.AGENTS]["properties"]
    assert schemas[Collection.LANES]["required"] == ["provider", "models"]
