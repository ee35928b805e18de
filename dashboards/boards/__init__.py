"""The five dashboards."""

from .agents import AGENTS
from .fleet import FLEET
from .health import HEALTH
from .lanes import LANES
from .routing import ROUTING

BOARDS = (FLEET, LANES, AGENTS, ROUTING, HEALTH)
"""In the order in which one looks at them."""
