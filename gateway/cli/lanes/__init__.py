"""`gateway lanes`: the providers' limits, how much of them is left, and what operators do to them.

* `command`: list, show, set, reset, delete
* `acts`: pause, resume, block, unblock
* `showing`: tables
"""

from . import acts
from .command import app

acts.add_to(app)

__all__ = ["app"]
