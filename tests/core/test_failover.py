"""What waiting is worth, and what a move loses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.failover import FailoverSettings, lost_tokens, weigh
from gateway.domain.call import Priority

PLAIN = FailoverSettings()


@pytest.mark.parametrize(
    ("wait_s", "priority", "loss_microusd", "worth"),
    [
        (10.0, Priority.NORMAL, 9_999, True),
        (10.0, Priority.NORMAL, 10_000, False),
        (10.0, Priority.URGENT, 99_999, True),
        (1e6, Priority.BACKGROUND, 0, False),
        (-1.0, Priority.URGENT, 0, False),
    ],
)
def test_what_is_worth_more(
    wait_s: float, priority: Priority, loss_microusd: int, worth: bool
) -> None:
    assert weigh(wait_s, priority, loss_microusd, PLAIN).worth is worth


@given(here=st.integers(0, 10**6), there=st.integers(0, 10**6))
def test_another_account_has_none_of_the_cache(here: int, there: int) -> None:
    assert lost_tokens(here, there, same_account=False) == here
    assert lost_tokens(here, there, same_account=True) == max(0, here - there)
