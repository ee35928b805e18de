"""`gateway demo`: the same fleet of agents straight at its providers, then through the gateway.

The providers are simulated, so no key is needed and nothing is paid. Everything else is real: the
official SDKs with their own retries, HTTP on loopback, a gateway with its embedded Valkey.

* `command`: the options
* `fleet`: who the agents are, and the limits they share
* `calling`: one call with an official SDK
* `running`: a fleet at work for some seconds
* `provider_side`: what the simulator says has happened
* `figures`: what that means
* `live`, `summary`: tables
"""

from .command import app

__all__ = ["app"]
