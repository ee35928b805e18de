"""How the transport behaves, as one frozen value."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TransportSettings:
    """Limits and thresholds that hold for all providers.

    Attributes:
        max_head_bytes: Bound of a response head, interim answers included; bytes that carry no
            body (chunk extensions, trailers) are held to the same bound.
        idle_s: How long an unused connection is kept. Below the idle time of the providers'
            load balancers (60 s and more), so that we close first and the keep-alive race is rare.
        high_water_bytes: Body bytes held for a slow reader before reading from the socket stops.
            One socket read (at most 256,000 bytes under uvloop) can come on top.
        join_below_bytes: A request body up to this size is joined to its head; a longer one is
            handed to the kernel beside it, without a copy.
        slice_bytes: A request body longer than this is sent in slices of it, each waiting for
            the socket, so that TLS never encrypts a whole large body into memory.
        keepalive_probe_s: TCP keep-alive: silence in seconds before the first probe.
    """

    max_head_bytes: int = 64 * 1024
    idle_s: float = 30.0
    high_water_bytes: int = 256 * 1024
    join_below_bytes: int = 16 * 1024
    slice_bytes: int = 256 * 1024
    keepalive_probe_s: int = 60
