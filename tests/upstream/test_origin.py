"""Where base URLs point."""

import pytest

from gateway.upstream.origin import Origin, origin_of


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        (
            "https://api.openai.com/v1",
            Origin("api.openai.com", 443, tls=True, authority=b"api.openai.com"),
        ),
        ("http://vllm:8000/v1", Origin("vllm", 8000, tls=False, authority=b"vllm:8000")),
        ("http://h:80", Origin("h", 80, tls=False, authority=b"h")),
        ("https://h:80", Origin("h", 80, tls=True, authority=b"h:80")),
        ("HTTPS://API.Example", Origin("api.example", 443, tls=True, authority=b"api.example")),
        ("http://[::1]:9/x", Origin("::1", 9, tls=False, authority=b"[::1]:9")),
        ("https://user:secret@h/", Origin("h", 443, tls=True, authority=b"h")),
        (
            "https://bücher.example",
            Origin("xn--bcher-kva.example", 443, tls=True, authority=b"xn--bcher-kva.example"),
        ),
    ],
)
def test_a_base_url_gives_host_port_scheme_and_authority(url: str, origin: Origin) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize("url", ["", "api.openai.com", "ftp://h", "http://", "unix:/tmp/s"])
def test_anything_else_is_no_origin(url: str) -> None:
    with pytest.raises(ValueError, match="not an http or https URL"):
        origin_of(url)


@pytest.mark.parametrize("url", [f"http://{'a' * 64}.example", "http://a..b", "http://h:99999"])
def test_a_host_or_port_that_cannot_exist_is_no_origin(url: str) -> None:
    with pytest.raises(ValueError, match=r"label|[Pp]ort"):
        origin_of(url)


def test_an_origin_prints_as_host_and_port() -> None:
    assert str(origin_of("https://h/x")) == "h:443"
