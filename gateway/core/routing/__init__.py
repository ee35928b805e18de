"""Which of a route's two models answers a call: plain functions over facts of the call.

In this order, and the first that has an answer gives it:

    capability → session pin → cache gate → housekeeping → simplicity score → escalation

Each step that does not know says "stay", since staying is what the caller asked for. Escalation
goes upward only, and holds for the rest of the conversation.
"""
