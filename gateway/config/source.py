"""Where a gateway's configuration was read from, so that it can be read again while it runs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from .load import load
from .settings import Settings
from .simulated import pointed_at_simulator, with_simulator_keys


@dataclass(frozen=True, slots=True)
class Source:
    """A file, or the environment alone. It can be pickled into a worker.

    Attributes:
        file: The file; `None`: none was there at the start.
        folder: The working folder.
        simulator_url: The simulator that stands for all providers, if one does.
    """

    file: Path | None
    folder: Path
    simulator_url: str | None = None

    def read(self, environment: Mapping[str, str], running: Settings) -> Settings:
        """The configuration as it is written now.

        What `gateway serve` was told on its command line stays as it is.

        Raises:
            ConfigError: With every fault that was found.
        """
        if self.simulator_url is not None:
            environment = with_simulator_keys(environment)
        found = load(self.file, environment, folder=self.folder)
        if self.simulator_url is not None:
            lanes = found.topology.lanes or running.topology.lanes
            topology = replace(found.topology, lanes=lanes)
            found = pointed_at_simulator(replace(found, topology=topology), self.simulator_url)
        server = replace(found.server, workers=running.server.workers)
        return replace(found, listen=running.listen, server=server)


def needs_restart(running: Settings, found: Settings) -> tuple[str, ...]:
    """Sections that differ and take effect only at the next start."""
    named = {
        "state": (running.state, found.state),
        "admin": (
            (running.admin, running.admin_token),
            (found.admin, found.admin_token),
        ),
        "server": (running.server, found.server),
        "logging": (running.logging, found.logging),
        "tracing": (running.tracing, found.tracing),
        "explanations": (running.explanations, found.explanations),
        "retries": (running.reliability, found.reliability),
        "cache": (running.caching, found.caching),
        "usage": (running.usage, found.usage),
        "routes": (running.routes, found.routes),
    }
    return tuple(name for name, (before, after) in named.items() if before != after)
