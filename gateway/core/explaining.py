"""From what is recorded of a call to its explanation."""

from gateway.domain.explanation import Explanation, Outcome, RouteStory
from gateway.domain.facts import CallRecord, Routed
from gateway.domain.outcome import Fault

CLIENT_LEFT = 499


def is_plain(record: CallRecord) -> bool:
    """Whether there is little to explain: the call did not wait and was answered."""
    return (
        not record.waits
        and not record.held_s
        and record.fault is None
        and record.attempts < 2
        and not record.cut
    )


def outcome_of(record: CallRecord) -> Outcome:
    """How a call ended, in one word."""
    if record.status == CLIENT_LEFT:
        return Outcome.LEFT
    if record.cut:
        return Outcome.CUT
    if record.fault is None:
        return Outcome.ANSWERED
    if record.reason is not None and record.fault in {Fault.CALLER, Fault.POLICY}:
        return Outcome.REFUSED
    # A limit of the provider that outlasts the patience of a call is no failure of anybody.
    return Outcome.FAILED if record.attempts or record.reason is None else Outcome.REFUSED


def explain(record: CallRecord, ended_s: float) -> Explanation:
    """The explanation of a call that ended at `ended_s`, in seconds since the epoch."""
    last = record.last
    return Explanation(
        request_id=record.request_id,
        at_s=round(ended_s - record.total_s, 3),
        outcome=outcome_of(record),
        status=record.status,
        agent=record.agent,
        team=record.team,
        dialect="" if record.dialect is None else record.dialect.value,
        endpoint=record.endpoint.value,
        provider=record.provider,
        lane=record.lane,
        model=record.model,
        priority=record.priority.value,
        stream=record.stream,
        fault="" if record.fault is None else record.fault.value,
        reason="" if record.reason is None else record.reason.value,
        message=record.message,
        retry_after_s=record.retry_after_s,
        cut=record.cut,
        max_wait_s=record.max_wait_s,
        wait_s=record.wait_s,
        upstream_s=record.upstream_s,
        first_byte_s=record.first_byte_s,
        total_s=record.total_s,
        overhead_s=record.overhead_s,
        waits=record.waits,
        moves=record.moves,
        attempts=record.earlier if last is None else (*record.earlier, last),
        estimated_input_tokens=record.estimated_input_tokens,
        estimated_output_tokens=record.estimated_output_tokens,
        usage=record.usage if record.attempts else None,
        cost_microusd=record.cost_microusd,
        priced=record.priced,
        held_s=record.held_s,
        held_behind=record.held_behind,
        route=None if record.routed is None else _route(record.routed),
    )


def _route(routed: Routed) -> RouteStory:
    return RouteStory(
        policy=routed.policy,
        mode=routed.mode.value,
        asked=routed.asked,
        chosen=routed.chosen,
        decision=routed.decision.value,
        reason=routed.reason.value,
        detail=routed.detail,
        score=routed.score,
        saved_microusd=routed.saved_microusd,
        arm=routed.arm.value,
        conversation=routed.conversation,
    )
