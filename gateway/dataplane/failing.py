"""How a call that did not succeed is told to its client, in its own dialect, exactly once.

Failure policy: before the head is sent, the client gets a whole error response; after it, a
stream gets its dialect's error event, and anything else a closed connection, so that nobody
takes half an answer for a whole one.
"""

from gateway.dialects.codec import Codec, Reply
from gateway.dialects.registry import CODECS
from gateway.domain.call import Dialect
from gateway.domain.outcome import Reason, Refusal, UpstreamFailure

from .call import Call

_CLOSE = (b"connection", b"close")


async def refuse(call: Call, refusal: Refusal) -> None:
    """Answer with a refusal of the gateway's own."""
    call.reason, call.message = refusal.reason, refusal.message
    call.retry_after_s = refusal.retry_after_s
    call.fault = refusal.disposition.fault
    codec = call.codec or CODECS[Dialect.OPENAI]
    if call.responder.started:
        await _break_off(call, codec, refusal)
        return
    reply = codec.refuse(call.matched, refusal, call.request_id)
    headers = call.own_headers() + call.eta()
    if refusal.reason in {Reason.TOO_LARGE, Reason.UPGRADE_REFUSED} or call.body_unread:
        headers.append(_CLOSE)  # the rest of the body is on its way and will not be read
    await call.responder.whole(reply, headers)


async def fail(call: Call, failure: UpstreamFailure) -> None:
    """Answer a call whose provider did not."""
    call.cut = call.responder.started
    call.verdict = failure.reason.value
    await refuse(call, as_refusal(failure))


def as_refusal(failure: UpstreamFailure) -> Refusal:
    """A failed attempt, in words for the client."""
    return Refusal(failure.reason, _MESSAGES[failure.reason])


async def _break_off(call: Call, codec: Codec, refusal: Refusal) -> None:
    if call.responder.ended:
        return
    if call.tellable:
        event: Reply = codec.refuse(call.matched, refusal, call.request_id, as_stream=True)
        await call.responder.end(event.body)
    # Else: returning without the end makes the server close the connection.


_MESSAGES = {
    Reason.UPSTREAM_CONNECT: "The provider could not be reached.",
    Reason.UPSTREAM_TIMEOUT: "The provider did not answer in time.",
    Reason.UPSTREAM_PROTOCOL: "The provider's answer broke the HTTP protocol.",
    Reason.UPSTREAM_CUT: "The provider closed the connection before its answer was whole.",
}
