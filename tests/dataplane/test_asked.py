"""Whose a model is that a client names in its own dialect."""

from collections.abc import Mapping

import pytest

from gateway.dataplane.refused import Refused
from gateway.dataplane.target import Destinations
from gateway.domain.call import Dialect
from gateway.domain.topology import Lane, Provider, Topology
from gateway.domain.translating import Translating

CLAUDE = Provider("claude", Dialect.ANTHROPIC, "https://a")
OPENAI = Provider("openai", Dialect.OPENAI, "https://o/v1")
LOCAL = Provider("local", Dialect.OPENAI, "https://l/v1")
MAX = Provider("max", Dialect.ANTHROPIC, "https://a", passthrough=True)


def destinations(
    *providers: Provider,
    lanes: Mapping[str, tuple[Provider, str]] | None = None,
    translation: Translating = Translating.ALL,
) -> Destinations:
    found = {
        name: Lane(name, owner.name, (pattern,)) for name, (owner, pattern) in (lanes or {}).items()
    }
    named = {one.name: one for one in providers}
    return Destinations(Topology(named, found, {}, {}, translation=translation), 10)


@pytest.mark.parametrize(
    ("here", "dialect", "model", "provider"),
    [
        (destinations(CLAUDE, OPENAI), Dialect.OPENAI, "claude-sonnet-5", "claude"),
        (destinations(CLAUDE, OPENAI), Dialect.OPENAI, "gpt-4o", "openai"),
        (destinations(CLAUDE, OPENAI), Dialect.ANTHROPIC, "gpt-4o", "openai"),
        (destinations(CLAUDE, OPENAI), Dialect.ANTHROPIC, "of-nobody", "claude"),
        (destinations(CLAUDE), Dialect.ANTHROPIC, "gpt-4o", "claude"),
        (destinations(CLAUDE), Dialect.OPENAI, "claude-sonnet-5", "claude"),
        (destinations(MAX, OPENAI), Dialect.OPENAI, "claude-sonnet-5", "openai"),
        (
            destinations(CLAUDE, OPENAI, translation=Translating.MOVED),
            Dialect.OPENAI,
            "claude-sonnet-5",
            "openai",
        ),
        # A lane claims what it names, and a wildcard nothing that is clearly another's.
        (
            destinations(CLAUDE, OPENAI, lanes={"all": (OPENAI, "*")}),
            Dialect.OPENAI,
            "claude-sonnet-5",
            "claude",
        ),
        (
            destinations(CLAUDE, OPENAI, lanes={"proxy": (OPENAI, "claude-*")}),
            Dialect.OPENAI,
            "claude-sonnet-5",
            "openai",
        ),
        (
            destinations(CLAUDE, LOCAL, lanes={"llama": (LOCAL, "llama-*")}),
            Dialect.ANTHROPIC,
            "llama-70b",
            "local",
        ),
        (
            destinations(CLAUDE, LOCAL, lanes={"all": (LOCAL, "*")}),
            Dialect.ANTHROPIC,
            "claude-sonnet-5",
            "claude",
        ),
    ],
)
def test_a_model_goes_to_the_provider_that_has_it(
    here: Destinations, dialect: Dialect, model: str, provider: str
) -> None:
    for _ in range(2):  # what was found is remembered
        assert here.asked(dialect, model).provider.name == provider


def test_a_name_too_long_to_be_one_is_refused_and_not_remembered() -> None:
    with pytest.raises(Refused):
        destinations(CLAUDE, OPENAI).asked(Dialect.OPENAI, "claude-" * 1000)
