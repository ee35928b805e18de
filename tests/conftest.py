"""Fixtures for all tests."""

pytest_plugins = [
    "tests.fixtures.valkey",
    "tests.fixtures.simulator",
    "tests.fixtures.gateway",
    "tests.fixtures.prometheus",
]
