"""TLS contexts: certificates are always verified, against the system's CAs or a given file."""

import ssl

from .failures import bad_ca_file


class TlsContexts:
    """One context per CA file, made at first use and kept."""

    def __init__(self) -> None:
        self._contexts: dict[str | None, ssl.SSLContext] = {}

    def context(self, ca_file: str | None) -> ssl.SSLContext:
        """The client context that trusts `ca_file` only, or the system's CAs (`None`).

        Raises:
            UpstreamFailure: The file is missing or holds no certificate.
        """
        context = self._contexts.get(ca_file)
        if context is None:
            context = self._contexts[ca_file] = _make(ca_file)
        return context


def _make(ca_file: str | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise bad_ca_file(ca_file or "(system)", error) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
