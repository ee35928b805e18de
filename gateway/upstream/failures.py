"""What can go wrong on the wire, mapped once to `UpstreamFailure`.

Nothing above this package sees an `OSError`, an `ssl.SSLError` or a parser error. Messages go to
logs; they name the fact and never carry request data.
"""

import ssl

from gateway.domain.outcome import FailurePhase, Reason, UpstreamFailure


class UnsendableRequestError(ValueError):
    """The request cannot be put on the wire as HTTP/1.1, and no byte of it was sent.

    Raised for CR, LF or NUL in a header or target (request splitting), and for field names,
    methods or targets that are not what RFC 9112 allows. It is a `ValueError` and no
    `UpstreamFailure`: the provider has no part in it. A usual cause is a credential that was read
    from a file together with its line end.
    """


class BodyLengthMismatchError(ValueError):
    """A streamed request body was shorter or longer than its declared length."""


def unreachable(error: OSError, target: str) -> UpstreamFailure:
    """No connection: DNS, refused, reset, or TLS that could not be agreed or verified."""
    if isinstance(error, ssl.SSLError):
        text = f"TLS with {target} failed: {getattr(error, 'reason', None) or error}"
        if isinstance(error, ssl.SSLCertVerificationError):
            text = f"the certificate of {target} was refused: {getattr(error, 'verify_message', None) or error}"
        return UpstreamFailure(Reason.UPSTREAM_CONNECT, FailurePhase.TLS, text, sent=False)
    text = f"could not connect to {target}: {error.strerror or error}"
    return UpstreamFailure(Reason.UPSTREAM_CONNECT, FailurePhase.CONNECT, text, sent=False)


def not_connected_in_time(target: str, waited_s: float, *, queued: bool) -> UpstreamFailure:
    """The connect timeout passed, waiting for a free connection or for the peer."""
    text = f"no connection to {target} within {waited_s:g} s"
    if queued:
        text = f"all connections to {target} stayed in use for {waited_s:g} s"
    return UpstreamFailure(Reason.UPSTREAM_TIMEOUT, FailurePhase.CONNECT, text, sent=False)


def bad_ca_file(path: str, error: OSError) -> UpstreamFailure:
    """`tls_ca_file` cannot be used."""
    text = f"tls_ca_file {path} cannot be used: {error.strerror or error}"
    return UpstreamFailure(Reason.UPSTREAM_CONNECT, FailurePhase.TLS, text, sent=False)


def closing() -> UpstreamFailure:
    """The transport was closed while a request waited for a connection."""
    text = "the transport is closed"
    return UpstreamFailure(Reason.UPSTREAM_CONNECT, FailurePhase.CONNECT, text, sent=False)


def timed_out(phase: FailurePhase, what: str) -> UpstreamFailure:
    """A timeout passed after the request was begun."""
    return UpstreamFailure(Reason.UPSTREAM_TIMEOUT, phase, what, sent=True)


def violated(phase: FailurePhase, what: str) -> UpstreamFailure:
    """The answer is not HTTP/1.1, or not any that can be relayed safely."""
    return UpstreamFailure(Reason.UPSTREAM_PROTOCOL, phase, what, sent=True)


def cut(phase: FailurePhase, error: Exception | None) -> UpstreamFailure:
    """The connection ended before the answer was whole."""
    how = "closed" if error is None else f"lost ({type(error).__name__})"
    return UpstreamFailure(Reason.UPSTREAM_CUT, phase, f"the connection was {how}", sent=True)
