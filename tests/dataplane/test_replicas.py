"""Which replica of a provider a conversation goes to."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from gateway.dataplane.call import Call
from gateway.dataplane.replicas import at_replica
from gateway.dataplane.target import Target
from gateway.domain.call import CallFacts, Dialect, PromptPrefix
from gateway.domain.topology import Agent, Provider, default_lane

URLS = ("http://a/v1", "http://b/v1", "http://c/v1")
ALICE, BOB = Agent("alice"), Agent("bob")


def target(urls: tuple[str, ...] = URLS) -> Target:
    provider = Provider("local", Dialect.OPENAI, urls[0], replicas=urls[1:])
    return Target(provider, default_lane(provider, "m"), "m")


def chosen(
    session: str = "",
    *,
    agent: Agent = ALICE,
    attempts: int = 0,
    urls: tuple[str, ...] = URLS,
    facts: CallFacts | None = None,
    request_id: str = "r",
) -> str:
    fields = {b"x-gateway-session": session.encode()} if session else {}
    call: Any = SimpleNamespace(
        request=SimpleNamespace(fields=fields), attempts=attempts, request_id=request_id
    )
    return at_replica(cast("Call", call), agent, target(urls), facts).provider.base_url


@given(session=st.text("abc", min_size=1), order=st.permutations(URLS))
def test_every_gateway_chooses_alike_whatever_the_order_of_the_addresses(
    session: str, order: list[str]
) -> None:
    assert chosen(session) == chosen(session, urls=tuple(order))


@given(session=st.text("abc", min_size=1), gone=st.sampled_from(URLS))
def test_only_the_conversations_of_a_replica_that_goes_move(session: str, gone: str) -> None:
    left = tuple(url for url in URLS if url != gone)
    if chosen(session) != gone:
        assert chosen(session, urls=left) == chosen(session)


def test_a_call_that_is_tried_again_goes_round_all_of_them() -> None:
    assert {chosen("s", attempts=n) for n in range(3)} == set(URLS)
    assert chosen("s", attempts=3) == chosen("s")


def test_agents_do_not_share_a_session_by_its_name() -> None:
    names = [f"s{n}" for n in range(40)]
    assert [chosen(n) for n in names] != [chosen(n, agent=BOB) for n in names]


def test_without_a_session_the_beginning_of_the_prompt_decides() -> None:
    def with_prefix(first: bytes, last: bytes) -> CallFacts:
        return CallFacts("m", prefixes=(PromptPrefix(first, 10), PromptPrefix(last, 20)))

    heads = [bytes([n]) * 16 for n in range(40)]
    one = [chosen(facts=with_prefix(head, b"1" * 16)) for head in heads]
    assert one == [chosen(facts=with_prefix(head, b"2" * 16)) for head in heads]
    assert set(one) == set(URLS)


def test_calls_with_nothing_in_common_are_spread() -> None:
    assert {chosen(request_id=f"r{n}") for n in range(40)} == set(URLS)


def test_nothing_but_the_address_changes() -> None:
    call: Any = SimpleNamespace(request=SimpleNamespace(fields={}), attempts=1, request_id="r")
    found = at_replica(call, ALICE, target(), None)
    address = found.provider.base_url
    assert found == replace(target(), provider=replace(target().provider, base_url=address))
