"""Wrong tokens are forgiven a few times, from each address, in bounded memory."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.controlplane.throttle import Throttle, ThrottleSettings, network_of

SETTINGS = ThrottleSettings(failures=3, recover_s=10.0, addresses=4)


def test_an_address_pauses_after_its_last_forgiven_failure() -> None:
    throttle = Throttle(SETTINGS)
    for second in range(3):
        assert throttle.pause_s("1.2.3.4", second) == 0
        throttle.note_failure("1.2.3.4", second)
    assert throttle.pause_s("1.2.3.4", 2) == 8
    assert throttle.pause_s("1.2.3.5", 2) == 0
    assert throttle.pause_s("1.2.3.4", 10) == 0
    throttle.note_failure("1.2.3.4", 10)
    assert throttle.pause_s("1.2.3.4", 10) == 10


def test_a_right_token_forgives_all() -> None:
    throttle = Throttle(SETTINGS)
    for _ in range(2):
        throttle.note_failure("1.2.3.4", 0)
    throttle.forgive("1.2.3.4")
    throttle.note_failure("1.2.3.4", 0)
    assert throttle.pause_s("1.2.3.4", 0) == 0


def test_one_ipv6_site_is_one_address() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:2")
    assert network_of("2001:db8::1") != network_of("2001:db8:1::1")
    assert network_of("::ffff:9.9.9.9") == network_of("9.9.9.9") == "9.9.9.9"
    assert network_of("fe80::1%eth0") == network_of("fe80::2")
    assert network_of("") == ""


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5))))
def test_memory_is_bounded_and_no_address_fails_faster_than_allowed(
    failures: list[tuple[int, int]],
) -> None:
    throttle = Throttle(ThrottleSettings(failures=3, recover_s=10.0, addresses=8))
    now_s, tried = 0.0, 0
    for address, step in failures:
        now_s += step
        if throttle.pause_s("10.0.0.99", now_s) == 0:
            throttle.note_failure("10.0.0.99", now_s)
            tried += 1
        throttle.note_failure(f"10.0.0.{address % 7}", now_s)
        assert len(throttle) <= 8
    assert tried <= 3 + now_s / 10
