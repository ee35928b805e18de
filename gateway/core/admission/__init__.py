"""Admission as pure decisions: the executable specification of `gateway/store/lua/admission`.

`Engine.call` in `operations.py` is what one script call does. The modules have the names of the
script's parts, and every rule stands in the module of its subject:

* `state`: what is remembered of a lane, a budget, a flow and a ticket
* `ramp`: restarts below full speed
* `lane`: token buckets, their correction by the provider's own figures, blocks
* `budget`: sliding minutes, calls in flight, spend by calendar
* `queue`: bands, flows, fair order, flows parked at their budgets
* `predict`: expected waits
* `pump`: who is served, and who is waited for
* `configuring`: limits and settings as replicas tell them
* `operations`: the operations and the run of one call
* `inspect`: read-only views
* `messages`: from the nouns of `gateway.domain` to operations, and from events to verdicts

Arithmetic is on double floats in the same order as in the script, so that results are equal and
not merely close.
"""
