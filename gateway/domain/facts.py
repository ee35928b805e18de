"""What is told to observers (metrics, access log): one frozen record per finished call."""

from .call import Dialect, Endpoint, Priority
from .explanation import Attempt, Wait
from .outcome import Fault, Reason
from .usage import Usage
from .value import value


@value
class CallRecord:
    """One finished call. No content, no credentials.

    Attributes:
        status: The HTTP status the client got; 499 if it left before one could be sent.
        reason: Set when the gateway refused or failed the call.
        fault: Whose fault an unsuccessful call was; `None` for a success.
        upstream_request_id: The provider's own id of the call, for support requests.
        wait_s: Time in admission.
        upstream_s: From dispatch to the last byte.
        first_byte_s: From dispatch to the first byte of the answer's body; `None` without one.
        total_s: From accept to the last byte.
        overhead_s: Time spent in the gateway itself, waits and provider excluded.
        cost_microusd: Cost at list price.
        priced: False when the model has no known price and the stated default was used.
        attempts: Attempts made upstream.
        waits: What it waited for, by cause.
        earlier: Attempts before the last one, which were repeated.
        last: The last attempt; `None` if nothing was sent.
        message: What the client was told with `reason`.
        retry_after_s: When it was told to come back, if it was.
        max_wait_s: How long it was ready to wait.
        cut: The answer did not reach its end (by either side).
    """

    request_id: str
    agent: str
    team: str | None
    dialect: Dialect | None
    endpoint: Endpoint
    provider: str
    lane: str
    model: str
    priority: Priority
    stream: bool
    status: int
    reason: Reason | None
    fault: Fault | None
    upstream_request_id: str
    usage: Usage
    estimated_input_tokens: int
    estimated_output_tokens: int
    wait_s: float
    upstream_s: float
    first_byte_s: float | None
    total_s: float
    overhead_s: float
    cost_microusd: int
    priced: bool
    attempts: int
    cut: bool
    path: str
    waits: tuple[Wait, ...] = ()
    earlier: tuple[Attempt, ...] = ()
    last: Attempt | None = None
    message: str = ""
    retry_after_s: float | None = None
    max_wait_s: float = 0.0
