"""A gateway between fleets of AI agents and the providers whose limits they share."""

__version__ = "0.1.0"
