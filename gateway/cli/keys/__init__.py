"""`gateway keys`: make, list and end the keys with which agents come to the gateway.

* `command`: the verbs
* `desk`: what they need, and how a key is told
* `through_store`: in the store, where the gateway runs
* `through_api`: by the admin API of a gateway elsewhere
"""

from .command import app

__all__ = ["app"]
