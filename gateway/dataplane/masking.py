"""Covers the provider's credential where an error body repeats it.

The large providers name a refused key by its ends only, but OpenAI-compatible servers and proxies
have been seen to quote all of it, and the agent must not learn it. Everything else of an error goes
to the agent as it came. Answers that are no errors are not searched.
"""

from gateway.ports import Headers

SHORTEST = 8
"""A shorter credential is a placeholder, and may be part of any word."""
_OF_THE_BODY = frozenset({b"content-encoding", b"content-length", b"content-md5", b"digest"})


def masked(
    headers: Headers, body: bytes, plain: bytes, api_key: str | None
) -> tuple[Headers, bytes, bytes]:
    """Headers, body and decoded body of an error, with the credential covered by asterisks.

    Args:
        headers: As the provider sent them.
        body: As the provider sent it.
        plain: The same, decoded; the same object where there was nothing to decode.
        api_key: The credential that was sent.
    """
    if api_key is None or len(api_key) < SHORTEST:
        return headers, body, plain
    secret = api_key.encode()
    if secret not in plain:
        return headers, body, plain
    covered = plain.replace(secret, b"*" * len(secret))
    if plain is body:
        return headers, covered, covered
    kept = [field for field in headers if field[0].lower() not in _OF_THE_BODY]
    return kept, covered, covered
