"""The same small conversation in each dialect, streamed or not, over plain HTTP."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2

from gateway.store.admission import RedisAdmission
from gateway.store.connection import ROOT, connect
from gateway.wiring.clock import SystemClock
from tests.fixtures.gateway import KEY, OTHER_KEY

PATIENCE_S = 20.0


@dataclass(frozen=True)
class Speech:
    """How to call one model.

    Attributes:
        dialect: Whose wire format.
        model: A model of the simulator.
        stream: Whether the answer is streamed.
        provider: Its name in the gateway's configuration.
    """

    dialect: str
    model: str
    stream: bool
    provider: str

    def __str__(self) -> str:
        """For test ids."""
        return f"{self.dialect}-{'streamed' if self.stream else 'whole'}"

    @property
    def path(self) -> str:
        """Where the call goes."""
        if self.dialect == "anthropic":
            return "/v1/messages"
        if self.dialect == "openai":
            return "/v1/chat/completions"
        verb = "streamGenerateContent?alt=sse" if self.stream else "generateContent"
        return f"/v1beta/models/{self.model}:{verb}"

    def body(
        self, output_tokens: int, prompt: str = "Say something.", most: int | None = None
    ) -> Any:
        """A request for an answer of so many tokens, which asks for at most `most`."""
        text = f"{prompt} [[output={output_tokens}]]"
        most = output_tokens if most is None else most
        if self.dialect == "gemini":
            return {
                "contents": [{"role": "user", "parts": [{"text": text}]}],
                "generationConfig": {"maxOutputTokens": most},
            }
        limit = "max_tokens" if self.dialect == "anthropic" else "max_completion_tokens"
        body: dict[str, Any] = {
            "model": self.model,
            limit: most,
            "messages": [{"role": "user", "content": text}],
        }
        if self.stream:
            body["stream"] = True
        return body

    def headers(self, key: str = KEY, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """The credential where this dialect's SDK puts it, and more."""
        own = {
            "anthropic": {"x-api-key": key, "anthropic-version": "2023-06-01"},
            "openai": {"authorization": f"Bearer {key}"},
            "gemini": {"x-goog-api-key": key},
        }[self.dialect]
        return {**own, **(extra or {})}


ANTHROPIC = Speech("anthropic", "claude-sonnet-5", False, "claude")
OPENAI = Speech("openai", "gpt-4o-mini", False, "openai")
GEMINI = Speech("gemini", "gemini-2.5-flash", False, "gemini")
WHOLE = (ANTHROPIC, OPENAI, GEMINI)
STREAMED = tuple(Speech(one.dialect, one.model, True, one.provider) for one in WHOLE)
ALL = (*WHOLE, *STREAMED)


@dataclass
class Answer:
    """A finished answer."""

    status: int
    headers: httpx2.Headers
    body: bytes

    @property
    def reason(self) -> str:
        """Why the gateway refused; empty if it did not."""
        return str(self.headers.get("x-gateway-reason", ""))


@dataclass
class Agent:
    """One agent with its own connections to a gateway."""

    url: str
    client: httpx2.AsyncClient
    key: str = KEY
    fields: Mapping[str, str] = field(default_factory=dict)

    def as_bob(self) -> "Agent":
        """The other agent, at the same gateway."""
        return replace(self, key=OTHER_KEY)

    async def say(
        self,
        speech: Speech,
        output_tokens: int = 8,
        *,
        extra: Mapping[str, str] | None = None,
        prompt: str = "Say something.",
        most: int | None = None,
    ) -> Answer:
        """Call and read the whole answer."""
        response = await self.client.post(
            self.url + speech.path,
            json=speech.body(output_tokens, prompt, most),
            headers=speech.headers(self.key, {**self.fields, **(extra or {})}),
        )
        return Answer(response.status_code, response.headers, response.content)

    @asynccontextmanager
    async def hear(self, speech: Speech, output_tokens: int) -> AsyncIterator[httpx2.Response]:
        """Call and read as you like; leaving early closes the connection."""
        async with self.client.stream(
            "POST",
            self.url + speech.path,
            json=speech.body(output_tokens),
            headers=speech.headers(self.key, self.fields),
        ) as response:
            yield response


@asynccontextmanager
async def agent(url: str, key: str = KEY, **fields: str) -> AsyncIterator[Agent]:
    """An agent; `fields` are headers of all its calls, with `_` for `-`."""
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(
        timeout=PATIENCE_S,
        limits=limits,
        trust_env=False,
        verify=False,  # plain HTTP; loading certificates takes 80 ms
    ) as client:
        yield Agent(
            url, client, key, {name.replace("_", "-"): value for name, value in fields.items()}
        )


@asynccontextmanager
async def bookkeeper(store_url: str) -> AsyncIterator[RedisAdmission]:
    """Looks at the limits as the store sees them, as one more replica."""
    redis = await connect(store_url)
    admission = RedisAdmission(redis, ROOT, "bookkeeper", SystemClock())
    await admission.start()
    try:
        yield admission
    finally:
        await admission.stop()
        await redis.aclose()
