"""YAML and the environment to one frozen `Settings`; the only reader of the environment."""

from .environment import read_environment
from .faults import ConfigError, Fault
from .fleet import configured_lane
from .load import DEFAULT_FILE, load, load_text
from .manual import SCHEMA
from .reading import Origin
from .schema import json_schema
from .settings import LogLevel, LogSettings, ServerSettings, Settings, StateSettings
from .show import effective
from .simulated import pointed_at_simulator, simulated_providers, simulated_settings
from .texts import Listen

__all__ = [
    "load",
    "load_text",
    "read_environment",
    "simulated_settings",
    "simulated_providers",
    "pointed_at_simulator",
    "configured_lane",
    "effective",
    "configuration_schema",
    "Settings",
    "StateSettings",
    "ServerSettings",
    "LogSettings",
    "LogLevel",
    "Listen",
    "Origin",
    "ConfigError",
    "Fault",
    "DEFAULT_FILE",
]


def configuration_schema() -> dict[str, object]:
    """The JSON schema of the file, for editors (`gateway check --schema`)."""
    return json_schema(SCHEMA)
