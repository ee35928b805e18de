"""What the agents' programs send and need, beyond what their SDKs do.

Claude Code (provider-facts A9, A10), Codex (B8), Gemini CLI (B13), and the gateway's own headers,
paths and bounds. Requests are written down as those programs send them.
"""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from gateway.config.settings import Settings
from gateway.domain.call import Dialect
from gateway.domain.topology import Provider
from tests.fixtures.echo import HeaderList, Message, exchange, head, request
from tests.fixtures.gateway import (
    KEY,
    LaneLimits,
    RunningGateway,
    configured_lane,
    gateway_settings,
    running_gateway,
)
from tests.integration.conftest import Wire
from tests.integration.dialects import (
    CHAT,
    DOORS,
    GENERATE,
    JSON,
    MESSAGES,
    RESPONSES,
    SSE,
    STREAM_GENERATE,
    Door,
    body_of,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")
SECRET = KEY.encode()
X_KEY, BEARER = (b"x-api-key", SECRET), (b"authorization", b"Bearer " + SECRET)
GOOGLE = (b"x-goog-api-key", SECRET)


def said(wire: Wire, body: bytes, content_type: bytes = JSON, *more: tuple[bytes, bytes]) -> None:
    fields = [(b"content-type", content_type), (b"content-length", b"%d" % len(body)), *more]
    wire.echo.says(head(200, fields), body)


def heard(wire: Wire) -> Message:
    (one,) = wire.echo.heard
    return one


async def sent(
    wire: Wire, method: bytes, target: bytes, headers: HeaderList, body: bytes | None = None
) -> Message:
    return await exchange(wire.gateway.url, request(method, target, headers, body))


def error_of(found: Message) -> dict[str, object]:
    inner = json.loads(found.body)["error"]
    assert isinstance(inner, dict)
    return inner


# --- Claude Code -------------------------------------------------------------------------------

CLAUDE_HEADERS: HeaderList = [
    (b"user-agent", b"claude-cli/2.1.331 (external, cli)"),
    (b"x-app", b"cli"),
    (b"anthropic-version", b"2023-06-01"),
    (b"anthropic-beta", b"claude-code-20250219,fine-grained-tool-streaming-2025-05-14,new-2030"),
    (b"anthropic-dangerous-direct-browser-access", b"true"),
    (b"x-claude-code-session-id", b"11111111-2222-4333-8444-555555555555"),
    (b"x-claude-code-agent-id", b"agent-7"),
    (b"x-claude-code-parent-agent-id", b"agent-1"),
    (b"x-claude-code-request-class", b"subagent"),
    (b"x-client-request-id", b"66666666-2222-4333-8444-555555555555"),
    (b"x-stainless-retry-count", b"0"),
    (b"x-stainless-timeout", b"600"),
    (b"content-type", JSON),
]
CLAUDE_BODY = (
    b'{"model":"claude-sonnet-5","stream":true,"max_tokens":32000,'
    b'"system":[{"type":"text","text":"x-anthropic-billing-header: cc_version=2.1.331; x=y;"},\n'
    b'{"type":"text","text":"You are\\u0020an agent.","cache_control":{"type":"ephemeral"}}],'
    b'"thinking":{"type":"adaptive"}, "context_management":{"edits":[]},'
    b'"metadata":{"user_id":"user_1_account__session_2"},"messages":[{"role":"user","content":'
    b'[{"type":"thinking","thinking":"","signature":"c2ln"},{"type":"text","text":"hi"}]}]}'
)


@pytest.mark.parametrize("zipped", [False, True])
async def test_claude_code_is_forwarded_verbatim(wire: Wire, zipped: bool) -> None:
    said(wire, b"".join(MESSAGES.stream), SSE)
    body = gzip.compress(CLAUDE_BODY) if zipped else CLAUDE_BODY
    headers = [*CLAUDE_HEADERS, *([(b"content-encoding", b"gzip")] if zipped else [])]
    # Its key helper puts one value into both headers (provider-facts A9).
    found = await sent(wire, b"POST", b"/v1/messages?beta=true", [X_KEY, BEARER, *headers], body)
    assert (found.status, found.body) == (200, b"".join(MESSAGES.stream))
    one = heard(wire)
    assert one.start == b"/v1/messages?beta=true"
    assert one.body == body
    assert [h for h in one.headers if h[0] not in {b"host", b"content-length"}] == [
        *headers,
        MESSAGES.credential,
    ]


@pytest.mark.parametrize(("path", "status"), [(b"/", 200), (b"/api/hello", 404)])
async def test_claude_codes_first_request_is_answered_at_once_and_without_a_key(
    wire: Wire, path: bytes, status: int
) -> None:
    found = await sent(wire, b"HEAD", path, [])
    assert found.status == status  # the second may be rejected (provider-facts A9)
    assert found.body == b""


async def test_models_are_listed_in_time_though_a_provider_hangs(
    wire: Wire, store_url: str
) -> None:
    """Claude Code waits three seconds."""
    lane = configured_lane(
        "sonnet", Provider("claude", Dialect.ANTHROPIC, ""), ("claude-sonnet-5",), LaneLimits()
    )
    wire.echo.says()
    async with running_gateway(gateway_settings(wire.echo.url, lanes=[lane]), store_url) as gateway:
        began = asyncio.get_running_loop().time()
        headers = [X_KEY, (b"anthropic-version", b"2023-06-01")]
        found = await exchange(gateway.url, request(b"GET", b"/v1/models?limit=1000", headers))
        assert asyncio.get_running_loop().time() - began < 2.8
    assert [one["id"] for one in json.loads(found.body)["data"]] == ["claude-sonnet-5"]


@pytest.mark.parametrize("credential", [X_KEY, BEARER], ids=["x-api-key", "bearer"])
async def test_claude_code_discovers_models(wire: Wire, credential: tuple[bytes, bytes]) -> None:
    data = [
        {"type": "model", "id": name, "display_name": name.title(), "created_at": "2026-01-01"}
        for name in ("claude-sonnet-5", "claude-opus-5")
    ]
    said(wire, json.dumps({"data": data, "has_more": False}).encode())
    headers = [credential, (b"anthropic-version", b"2023-06-01")]
    found = await sent(wire, b"GET", b"/v1/models?limit=1000", headers)
    assert found.status == 200
    ids = [(one["id"], one["display_name"]) for one in json.loads(found.body)["data"]]
    assert ids == [("claude-sonnet-5", "Claude-Sonnet-5"), ("claude-opus-5", "Claude-Opus-5")]


# --- Codex -------------------------------------------------------------------------------------

CODEX_HEADERS: HeaderList = [
    (b"user-agent", b"codex_cli_rs/0.169.0 (Linux; x86_64)"),
    (b"originator", b"codex_cli_rs"),
    (b"version", b"0.169.0"),
    (b"session-id", b"0198"),
    (b"thread-id", b"0199"),
    (b"x-client-request-id", b"0199"),
    (b"x-codex-turn-state", b"opaque=="),
    (b"x-codex-turn-metadata", b'{"a":"b"}'),
    (b"x-openai-subagent", b"review"),
    (b"x-oai-attestation", b"A" * 4096),
    (b"accept", b"text/event-stream"),
    (b"content-type", JSON),
]
CODEX_BODY = (
    b'{"model":"gpt-5","instructions":"x","input":[{"type":"message","role":"user","content":'
    b'[{"type":"input_text","text":"hi"}]}],"tools":[],"stream":true,"store":false,'
    b'"include":["reasoning.encrypted_content"],"prompt_cache_key":"0199"}'
)


async def test_codex_is_forwarded_verbatim_and_its_turn_state_goes_both_ways(wire: Wire) -> None:
    state = (b"x-codex-turn-state", b"next==")
    said(wire, b"".join(RESPONSES.stream), SSE, state, (b"x-reasoning-included", b"true"))
    found = await sent(wire, b"POST", b"/v1/responses", [BEARER, *CODEX_HEADERS], CODEX_BODY)
    assert found.body == b"".join(RESPONSES.stream)
    assert found.one(b"x-codex-turn-state") == b"next=="
    one = heard(wire)
    assert one.body == CODEX_BODY
    assert [h for h in one.headers if h[0] not in {b"host", b"content-length"}] == [
        *CODEX_HEADERS,
        RESPONSES.credential,
    ]


async def test_codex_compacts_without_a_codec(wire: Wire) -> None:
    said(wire, b'{"output":[]}')
    found = await sent(wire, b"POST", b"/v1/responses/compact", [BEARER], CODEX_BODY)
    assert found.body == b'{"output":[]}'
    assert heard(wire).start == b"/v1/responses/compact"


async def test_a_websocket_is_refused_so_that_codex_falls_back(wire: Wire) -> None:
    """Anything but 426 burns Codex's retries (provider-facts B8)."""
    wire.echo.says()
    upgrade = [
        *(BEARER, (b"upgrade", b"websocket"), (b"sec-websocket-version", b"13")),
        *((b"sec-websocket-key", b"AAAAAAAAAAAAAAAAAAAAAA=="), (b"connection", b"Upgrade")),
    ]
    data = request(b"GET", b"/v1/responses", upgrade).replace(b"\r\nconnection: close", b"")
    found = await exchange(wire.gateway.url, data)
    assert found.status == 426
    assert found.one(b"x-gateway-reason") == b"upgrade_refused"
    assert error_of(found)
    assert not wire.echo.heard


async def test_codex_gets_a_model_list_that_it_does_not_take_for_its_own(wire: Wire) -> None:
    """A `models` list would replace its built-in one, which knows more (provider-facts B8)."""
    said(wire, b'{"object":"list","data":[{"id":"gpt-5","object":"model","created":1}]}')
    target = b"/v1/models?client_version=0.169.0"
    found = await sent(wire, b"GET", target, [BEARER, *CODEX_HEADERS])
    assert [one["id"] for one in json.loads(found.body)["data"]] == ["gpt-5"]
    assert "models" not in json.loads(found.body)


# --- Gemini CLI --------------------------------------------------------------------------------

GEMINI_HEADERS: HeaderList = [
    (b"user-agent", b"GeminiCLI/0.61.0/gemini-2.5-flash (linux; x64)"),
    (b"x-goog-api-client", b"google-genai-sdk/1.30.0 gl-node/v22"),
    (b"x-gemini-api-privileged-user-id", b"1234"),
    (b"content-type", JSON),
]


@pytest.mark.parametrize(
    ("verb", "body", "content_type"),
    [
        (b"streamGenerateContent?alt=sse", b"".join(STREAM_GENERATE.stream), SSE),
        (b"streamGenerateContent", STREAM_GENERATE.answer, JSON),
        (b"generateContent", GENERATE.answer, JSON),
        (b"countTokens", b'{"totalTokens":3}', JSON),
    ],
)
@pytest.mark.parametrize("version", [b"/v1beta", b"/v1"])
async def test_gemini_cli_is_forwarded_verbatim(
    wire: Wire, version: bytes, verb: bytes, body: bytes, content_type: bytes
) -> None:
    said(wire, body, content_type, (b"x-gemini-service-tier", b"standard"))
    target = version + b"/models/gemini-2.5-flash:" + verb
    asked = body_of(GENERATE.members)
    found = await sent(wire, b"POST", target, [GOOGLE, *GEMINI_HEADERS], asked)
    assert (found.status, found.body) == (200, body)
    assert found.one(b"x-gemini-service-tier") == b"standard"
    one = heard(wire)
    assert (one.start, one.body) == (target, asked)
    assert [h for h in one.headers if h[0] not in {b"host", b"content-length"}] == [
        *GEMINI_HEADERS,
        GENERATE.credential,
    ]


# --- the gateway's own headers and paths -------------------------------------------------------

LANES = {
    "messages": b"claude/claude-sonnet-5",
    "chat": b"openai/gpt-4o-mini",
    "responses": b"openai/gpt-5",
    "embeddings": b"openai/text-embedding-3-small",
    "generate": b"gemini/gemini-2.5-flash",
    "stream_generate": b"gemini/gemini-2.5-flash",
    "embed": b"gemini/gemini-embedding-001",
    "count_tokens": b"claude/count_tokens",
    "gemini_count": b"gemini/count_tokens",
}


@pytest.mark.parametrize("door", DOORS, ids=str)
async def test_a_response_says_what_the_gateway_did(wire: Wire, door: Door) -> None:
    said(wire, door.answer)
    found = await sent(wire, b"POST", door.path, [BEARER], body_of(door.members))
    assert found.one(b"x-gateway-request-id").startswith(b"req_")
    assert found.one(b"x-gateway-lane") == LANES[door.name]
    assert found.one(b"x-gateway-queue-ms").isdigit()
    assert found.one(b"x-gateway-route") == b"off"
    assert not found.all(b"x-gateway-reason")
    if b"count" not in LANES[door.name]:
        assert found.one(b"x-gateway-model") == LANES[door.name].partition(b"/")[2]


@pytest.mark.parametrize("door", DOORS, ids=str)
async def test_a_provider_may_be_named_in_the_path(wire: Wire, door: Door) -> None:
    said(wire, door.answer)
    provider = LANES[door.name].partition(b"/")[0]
    target = b"/p/" + provider + door.path
    found = await sent(wire, b"POST", target, [BEARER], body_of(door.members))
    assert (found.status, found.body) == (200, door.answer)
    assert heard(wire).start == door.path
    assert door.credential in heard(wire).headers


async def test_a_provider_that_does_not_exist_is_said_to_be_unknown(wire: Wire) -> None:
    wire.echo.says()
    found = await sent(wire, b"POST", b"/p/nobody/v1/chat/completions", [BEARER], b"{}")
    assert (found.status, found.one(b"x-gateway-reason")) == (404, b"unknown_provider")
    assert not wire.echo.heard


@asynccontextmanager
async def with_providers(
    wire: Wire, store_url: str, *providers: Provider
) -> AsyncIterator[RunningGateway]:
    settings: Settings = gateway_settings(wire.echo.url)
    known = {**settings.topology.providers, **{one.name: one for one in providers}}
    topology = replace(settings.topology, providers=known)
    settings = replace(settings, topology=topology)
    async with running_gateway(settings, store_url) as gateway:
        yield gateway


async def test_a_second_provider_of_a_dialect_has_its_own_base_path_and_no_credential(
    wire: Wire, store_url: str
) -> None:
    local = Provider("local", Dialect.OPENAI, wire.echo.url + "/deep/er/v1")
    async with with_providers(wire, store_url, local) as gateway:
        said(wire, CHAT.answer)
        data = request(b"POST", b"/p/local" + CHAT.path, [BEARER], body_of(CHAT.members))
        found = await exchange(gateway.url, data)
    assert found.status == 200
    assert heard(wire).start == b"/deep/er" + CHAT.path
    assert not heard(wire).all(b"authorization")


@pytest.mark.parametrize("door", [MESSAGES, CHAT, GENERATE], ids=str)
async def test_a_passthrough_provider_gets_the_callers_own_credential(
    wire: Wire, store_url: str, door: Door
) -> None:
    dialect = {"messages": Dialect.ANTHROPIC, "chat": Dialect.OPENAI}.get(door.name, Dialect.GEMINI)
    suffix = "/v1" if dialect is Dialect.OPENAI else ""
    mine = Provider("mine", dialect, wire.echo.url + suffix, passthrough=True)
    own = [(b"authorization", b"Bearer oauth-token"), (b"anthropic-beta", b"oauth-2025-04-20")]
    async with with_providers(wire, store_url, mine) as gateway:
        said(wire, door.answer)
        headers = [*own, (b"x-gateway-key", SECRET)]
        data = request(b"POST", b"/p/mine" + door.path, headers, body_of(door.members))
        found = await exchange(gateway.url, data)
    assert found.status == 200
    got = [h for h in heard(wire).headers if h[0] not in {b"host", b"content-length"}]
    assert got == own


# --- errors of a provider ----------------------------------------------------------------------

ODD_BODY = b'{ "type":"error","error":{"type":"%b","message":"\\u00fcn \\/ lucky" },\n"new":1e400}'
ERROR_HEADERS: HeaderList = [
    (b"content-type", JSON),
    (b"request-id", b"req_011"),
    (b"x-request-id", b"req_012"),
    (b"retry-after", b"17"),
    (b"retry-after-ms", b"17250"),
    (b"x-should-retry", b"true"),
    (b"anthropic-ratelimit-unified-status", b"rejected"),
    (b"anthropic-ratelimit-unified-reset", b"1795550379"),
    (b"anthropic-ratelimit-unified-5h-utilization", b"1.02"),
    (b"anthropic-ratelimit-unified-representative-claim", b"five_hour"),
    (b"x-ratelimit-reset-requests", b"6m0s"),
]


@pytest.mark.parametrize("door", DOORS, ids=str)
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 500, 503, 529])
async def test_an_error_of_the_provider_is_passed_on_unmodified(
    wire: Wire, door: Door, status: int
) -> None:
    """Field-notes 17: agents loop when these headers are dropped, and match the wording."""
    body = ODD_BODY % b"api_error"
    fields = [*ERROR_HEADERS, (b"content-length", b"%d" % len(body))]
    wire.echo.says(head(status, fields), body)
    found = await sent(wire, b"POST", door.path, [BEARER], body_of(door.members))
    assert (found.status, found.body) == (status, body)
    theirs = [h for h in found.headers if not h[0].startswith((b"x-gateway-", b"connection"))]
    assert theirs == fields
    assert len(wire.echo.heard) == 1


@pytest.mark.parametrize(
    ("door", "body"),
    [
        (MESSAGES, b'{"type":"error","error":{"type":"rate_limit_error","message":"cap",'
         b'"details":{"error_code":"enforced_spend_limit_reached"}}}'),
        (CHAT, b'{"error":{"message":"cap","type":"insufficient_quota","param":null,'
         b'"code":"insufficient_quota"}}'),
        (RESPONSES, b'{"error":{"message":"cap","type":"x","code":"project_spend_limit_exceeded"}}'),
    ],
    ids=["messages", "chat", "responses"],
)  # fmt: skip
async def test_a_spend_cap_is_passed_on_and_not_waited_for(
    wire: Wire, door: Door, body: bytes
) -> None:
    fields = [(b"content-type", JSON), (b"content-length", b"%d" % len(body))]
    wire.echo.says(head(429, fields), body)
    found = await sent(wire, b"POST", door.path, [BEARER], body_of(door.members))
    assert (found.status, found.body) == (429, body)
    assert len(wire.echo.heard) == 1
