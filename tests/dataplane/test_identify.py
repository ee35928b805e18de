"""Who is calling: the key from wherever it stands, and out of what goes on."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dataplane.asgi import Arrival
from gateway.dataplane.identify import identify, presented_keys
from gateway.dataplane.refused import Refused
from gateway.domain.topology import Topology
from gateway.ports import Identity

KEY = "gw-test-key-of-agent-alice"
RIGHT = KEY.encode()


class OneKey:
    """A directory with one key."""

    topology = Topology({}, {}, {}, {})

    def identify(self, secret: str) -> Identity | None:
        return Identity("alice", "id") if secret == KEY else None


DIRECTORY = OneKey()


@settings(max_examples=150, deadline=None)
@given(
    fields=st.lists(
        st.tuples(
            st.sampled_from(
                [b"x-api-key", b"authorization", b"x-goog-api-key", b"x-gateway-key", b"x-other"]
            ),
            st.one_of(
                st.binary(max_size=40),
                st.sampled_from([RIGHT, b"Bearer " + RIGHT, b"bearer\t" + RIGHT, b"Bearer "]),
            ),
        ),
        max_size=6,
    ),
    query=st.lists(
        st.sampled_from([b"key=" + RIGHT, b"key=", b"key", b"a=b", b"key=%67" + RIGHT[1:], b"=&"]),
        max_size=4,
    ).map(b"&".join),
)
def test_whoever_is_let_in_brought_the_key_and_leaves_it_here(
    fields: list[tuple[bytes, bytes]], query: bytes
) -> None:
    """Field note 30, over arbitrary credentials: let in exactly if one of them is right."""
    arrival = Arrival("POST", "/v1/messages", b"/v1/messages", query, fields, dict(fields))
    right = RIGHT in set(presented_keys(arrival))
    if not right:
        with pytest.raises(Refused) as no:
            identify(arrival, DIRECTORY)
        assert KEY not in no.value.refusal.message
        return
    assert identify(arrival, DIRECTORY).agent == "alice"
    credentials = {b"x-api-key", b"authorization", b"x-goog-api-key"}
    left = [value for name, value in arrival.headers if name in credentials]
    assert RIGHT not in left
    assert b"Bearer " + RIGHT not in left
    assert b"key=" + RIGHT not in arrival.query.split(b"&")
