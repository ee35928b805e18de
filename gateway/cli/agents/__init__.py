"""`gateway agents`: who calls, within which budget, and what becomes of it.

* `command`: list, show, set, reset, delete
* `raising`: budgets for a time, and many budgets at once
* `showing`: tables
"""

from . import raising
from .command import app

raising.add_to(app)

__all__ = ["app"]
