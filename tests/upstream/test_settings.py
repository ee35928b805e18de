"""The thresholds belong together."""

from gateway.upstream import TransportSettings


def test_idle_connections_are_dropped_before_load_balancers_drop_them() -> None:
    assert TransportSettings().idle_s < 60


def test_bodies_grow_through_the_size_classes() -> None:
    defaults = TransportSettings()
    assert 0 < defaults.join_below_bytes < defaults.slice_bytes
