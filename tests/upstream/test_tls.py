"""TLS: verified, with the server's name, or not at all."""

import ssl
from pathlib import Path

import pytest
import trustme

from gateway.domain.outcome import FailurePhase, Reason
from gateway.domain.topology import Timeouts
from gateway.upstream import HttpUpstream
from gateway.upstream.tls import TlsContexts
from tests.upstream.calling import call, failure_of, post, provider
from tests.upstream.hostile import Hostile, Peer, TlsServer


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def _server(authority: trustme.CA, name: str = "localhost") -> TlsServer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return TlsServer(context)


async def test_a_verified_server_is_named_and_its_connection_reused(
    upstream: HttpUpstream, authority: trustme.CA, ca_file: str
) -> None:
    async with _server(authority) as server:
        to = provider(f"https://localhost:{server.port}/v1", tls_ca_file=ca_file)
        for body in (b"{}", b"x" * 100_000, b"x" * 3_000_000):
            assert (await call(upstream, to, post(body)))[2] == b"ok"
        assert server.server_names == ["localhost"]
        assert upstream.figures()[0].idle == 1


async def test_a_certificate_of_an_unknown_authority_is_refused(
    upstream: HttpUpstream, authority: trustme.CA
) -> None:
    async with _server(authority) as server:
        failure = await failure_of(upstream, provider(f"https://localhost:{server.port}"), post())
        assert (failure.reason, failure.phase) == (Reason.UPSTREAM_CONNECT, FailurePhase.TLS)
        assert not failure.sent
        assert "certificate" in str(failure)
        assert upstream.figures()[0].active == 0


async def test_a_certificate_for_another_name_is_refused(
    upstream: HttpUpstream, authority: trustme.CA, ca_file: str
) -> None:
    async with _server(authority, "other.example") as server:
        to = provider(f"https://localhost:{server.port}", tls_ca_file=ca_file)
        failure = await failure_of(upstream, to, post())
        assert failure.phase is FailurePhase.TLS


async def test_a_server_that_speaks_no_tls_is_a_failure(upstream: HttpUpstream) -> None:
    async def script(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await peer.ended()

    async with Hostile(script) as server:
        failure = await failure_of(upstream, provider(f"https://localhost:{server.port}"), post())
        assert failure.reason is Reason.UPSTREAM_CONNECT
        assert not failure.sent


async def test_a_handshake_that_hangs_ends_with_the_connect_timeout(
    upstream: HttpUpstream,
) -> None:
    async def script(peer: Peer) -> None:
        await peer.ended()

    async with Hostile(script) as server:
        to = provider(f"https://localhost:{server.port}", Timeouts(connect_s=0.1))
        failure = await failure_of(upstream, to, post())
        assert (failure.reason, failure.phase) == (Reason.UPSTREAM_TIMEOUT, FailurePhase.CONNECT)
        assert upstream.figures()[0].active == 0


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_a_ca_file_that_cannot_be_used_is_named(
    upstream: HttpUpstream, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "broken.pem"
    if content is not None:
        path.write_text(content)
    failure = await failure_of(upstream, provider("https://h", tls_ca_file=str(path)), post())
    assert (failure.reason, failure.phase) == (Reason.UPSTREAM_CONNECT, FailurePhase.TLS)
    assert str(path) in str(failure)


def test_contexts_verify_and_are_made_once() -> None:
    contexts = TlsContexts()
    context = contexts.context(None)
    assert context is contexts.context(None)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
