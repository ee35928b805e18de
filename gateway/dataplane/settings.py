"""Settings of the data plane, as one frozen object."""

from dataclasses import dataclass

from gateway.core.failover import FailoverSettings
from gateway.core.retrying import RetrySettings
from gateway.core.shedding import Room


@dataclass(frozen=True, slots=True)
class DataPlaneSettings:
    """Bounds and defaults of the data plane.

    Attributes:
        max_body_bytes: The largest request body with a codec, as sent and decoded.
        body_pause_s: How long a client may pause while it sends a body.
        max_upload_bytes: The largest body on a path without a codec (file uploads are streamed).
        passthrough_tokens: What a call that changes something (POST, PUT, PATCH) on a path
            without a codec is charged, since its use cannot be read.
        max_own_lanes: How many lanes a provider may get for models that no configured lane
            names; the rest share one, so that made-up model names cannot exhaust memory.
        hold_head_s: How long a waiting stream's head is held before it is committed with a
            keep-alive: an early 200 costs the client's own retries (provider-facts A2).
        hold_whole_s: How long the client of a whole answer may wait in silence before the first
            `102 Processing`, unless it is one that hurries (then `hold_head_s`): under the 300 s
            after which Node's fetch and Claude Code hang up, over the default of `queue.max_wait`.
        keepalive_s: Pause between keep-alives after that.
        max_error_bytes: How much of a provider's error body is read to classify it.
        models_ttl_s: How long a provider's model list is kept.
        retries: What is repeated, and how often.
        room: Calls in progress and bytes of their bodies that one worker may hold.
        failover: When a call that waits looks elsewhere.
    """

    max_body_bytes: int = 64 * 1024 * 1024
    body_pause_s: float = 60.0
    max_upload_bytes: int = 1024 * 1024 * 1024
    passthrough_tokens: int = 1000
    max_own_lanes: int = 200
    hold_head_s: float = 15.0
    hold_whole_s: float = 240.0
    keepalive_s: float = 15.0
    max_error_bytes: int = 1024 * 1024
    models_ttl_s: float = 300.0
    retries: RetrySettings = RetrySettings()  # noqa: RUF009 - frozen
    room: Room = Room(4096, 512 * 1024 * 1024)  # noqa: RUF009 - frozen
    failover: FailoverSettings = FailoverSettings()  # noqa: RUF009 - frozen
