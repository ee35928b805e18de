"""One streamed conversation through each official SDK, in each way that it offers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
from anthropic.types import MessageParam
from google import genai
from google.genai import types
from openai.types.chat import ChatCompletionMessageParam

from tests.fixtures.gateway import KEY
from tests.integration.speaking import ANTHROPIC, GEMINI, OPENAI, Speech

PROMPT = "Say something. [[output=12]]"
Headers = Mapping[str, str]


@dataclass(frozen=True)
class Streamer:
    """One way to stream.

    Attributes:
        name: For test ids.
        speech: Model and dialect.
        talk: (base URL, extra headers) → the text of the answer.
        ping: What keeps it waiting.
        raises: What its SDK raises for an error inside a stream.
    """

    name: str
    speech: Speech
    talk: Callable[[str, Headers], Awaitable[str]]
    ping: bytes
    raises: type[Exception]

    def __str__(self) -> str:
        """For test ids."""
        return self.name


CLAUDE: dict[str, Any] = {"model": ANTHROPIC.model, "max_tokens": 100}
CLAUDE_SAYS: list[MessageParam] = [{"role": "user", "content": PROMPT}]
GPT_SAYS: list[ChatCompletionMessageParam] = [{"role": "user", "content": PROMPT}]


def _claude(url: str, extra: Headers) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=url, api_key=KEY, max_retries=0, default_headers=extra)


def _claude_async(url: str, extra: Headers) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(base_url=url, api_key=KEY, max_retries=0, default_headers=extra)


def _anthropic_create(url: str, extra: Headers) -> str:
    with _claude(url, extra) as sdk:
        text = ""
        for event in sdk.messages.create(**CLAUDE, messages=CLAUDE_SAYS, stream=True):
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                text += event.delta.text
        return text


def _anthropic_stream(url: str, extra: Headers) -> str:
    with _claude(url, extra) as sdk, sdk.messages.stream(**CLAUDE, messages=CLAUDE_SAYS) as stream:
        return "".join(stream.text_stream)


async def _anthropic_create_async(url: str, extra: Headers) -> str:
    async with _claude_async(url, extra) as sdk:
        text = ""
        async for event in await sdk.messages.create(**CLAUDE, messages=CLAUDE_SAYS, stream=True):
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                text += event.delta.text
        return text


async def _anthropic_stream_async(url: str, extra: Headers) -> str:
    async with (
        _claude_async(url, extra) as sdk,
        sdk.messages.stream(**CLAUDE, messages=CLAUDE_SAYS) as stream,
    ):
        return await stream.get_final_text()


def _gpt(url: str, extra: Headers) -> openai.OpenAI:
    return openai.OpenAI(base_url=url + "/v1", api_key=KEY, max_retries=0, default_headers=extra)


def _gpt_async(url: str, extra: Headers) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        base_url=url + "/v1", api_key=KEY, max_retries=0, default_headers=extra
    )


def _chat(url: str, extra: Headers) -> str:
    with _gpt(url, extra) as sdk:
        text = ""
        for chunk in sdk.chat.completions.create(
            model=OPENAI.model, messages=GPT_SAYS, stream=True
        ):
            text += chunk.choices[0].delta.content or ""
        return text


async def _chat_async(url: str, extra: Headers) -> str:
    async with _gpt_async(url, extra) as sdk:
        text = ""
        async for chunk in await sdk.chat.completions.create(
            model=OPENAI.model, messages=GPT_SAYS, stream=True
        ):
            text += chunk.choices[0].delta.content or ""
        return text


async def _chat_stream_async(url: str, extra: Headers) -> str:
    async with (
        _gpt_async(url, extra) as sdk,
        sdk.chat.completions.stream(model=OPENAI.model, messages=GPT_SAYS) as stream,
    ):
        return (await stream.get_final_completion()).choices[0].message.content or ""


def _responses(url: str, extra: Headers) -> str:
    with _gpt(url, extra) as sdk:
        text = ""
        for event in sdk.responses.create(model=OPENAI.model, input=PROMPT, stream=True):
            if event.type == "response.output_text.delta":
                text += event.delta
        return text


def _responses_stream(url: str, extra: Headers) -> str:
    with (
        _gpt(url, extra) as sdk,
        sdk.responses.stream(model=OPENAI.model, input=PROMPT) as stream,
    ):
        return stream.get_final_response().output_text


async def _responses_async(url: str, extra: Headers) -> str:
    async with _gpt_async(url, extra) as sdk:
        text = ""
        async for event in await sdk.responses.create(
            model=OPENAI.model, input=PROMPT, stream=True
        ):
            if event.type == "response.output_text.delta":
                text += event.delta
        return text


async def _responses_stream_async(url: str, extra: Headers) -> str:
    async with (
        _gpt_async(url, extra) as sdk,
        sdk.responses.stream(model=OPENAI.model, input=PROMPT) as stream,
    ):
        return (await stream.get_final_response()).output_text


def _google(url: str, extra: Headers) -> genai.Client:
    options = types.HttpOptions(base_url=url, headers=dict(extra))
    return genai.Client(api_key=KEY, http_options=options)


def _generate(url: str, extra: Headers) -> str:
    client = _google(url, extra)
    try:
        chunks = client.models.generate_content_stream(model=GEMINI.model, contents=PROMPT)
        return "".join(chunk.text or "" for chunk in chunks)
    finally:
        client.close()


async def _generate_async(url: str, extra: Headers) -> str:
    client = _google(url, extra).aio
    try:
        stream = await client.models.generate_content_stream(model=GEMINI.model, contents=PROMPT)
        return "".join([chunk.text or "" async for chunk in stream])
    finally:
        await client.aclose()


def _threaded(talk: Callable[[str, Headers], str]) -> Callable[[str, Headers], Awaitable[str]]:
    async def run(url: str, extra: Headers) -> str:
        return await asyncio.to_thread(talk, url, extra)

    return run


PING = b'event: ping\ndata: {"type":"ping"}\n\n'
COMMENT = b": keep-alive\n\n"
BLANK = b"4\r\n\r\n\r\n\r\n"
"""A chunk of blank lines, in its framing."""
_A = (ANTHROPIC, PING, anthropic.APIStatusError)
_O = (OPENAI, COMMENT, openai.APIError)
_G = (GEMINI, BLANK, genai.errors.APIError)


def _row(
    name: str,
    talk: Callable[[str, Headers], Awaitable[str]],
    kind: tuple[Speech, bytes, type[Exception]],
) -> Streamer:
    return Streamer(name, kind[0], talk, kind[1], kind[2])


STREAMERS = (
    _row("anthropic create", _threaded(_anthropic_create), _A),
    _row("anthropic stream", _threaded(_anthropic_stream), _A),
    _row("anthropic async create", _anthropic_create_async, _A),
    _row("anthropic async stream", _anthropic_stream_async, _A),
    _row("openai chat", _threaded(_chat), _O),
    _row("openai async chat", _chat_async, _O),
    _row("openai async chat stream", _chat_stream_async, _O),
    _row("openai responses", _threaded(_responses), _O),
    _row("openai responses stream", _threaded(_responses_stream), _O),
    _row("openai async responses", _responses_async, _O),
    _row("openai async responses stream", _responses_stream_async, _O),
    _row("genai", _threaded(_generate), _G),
    _row("genai async", _generate_async, _G),
)
