"""One call with the official SDK of its dialect, set up as its users do.

The anthropic and openai SDKs retry twice by default. The google-genai SDK does not retry unless
it is told to, so it is given its own retry options, which mean five attempts.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeAlias

from gateway.domain.call import Dialect

from .fleet import Task

ID_HEADER = "x-sim-client"
"""The simulator's log keeps its value."""

Caller: TypeAlias = Callable[[Task], Awaitable[None]]
"""Makes a call and returns once it is answered whole; raises whatever the SDK raises."""


@asynccontextmanager
async def anthropic_caller(base_url: str, key: str) -> AsyncIterator[Caller]:
    """The anthropic SDK."""
    import anthropic

    http = anthropic.DefaultAsyncHttpxClient(trust_env=False)  # loopback: never by a proxy
    async with anthropic.AsyncAnthropic(base_url=base_url, api_key=key, http_client=http) as sdk:

        async def call(task: Task) -> None:
            messages: list[anthropic.types.MessageParam] = [
                {"role": "user", "content": task.prompt}
            ]
            headers = {ID_HEADER: task.id}
            if not task.member.stream:
                await sdk.messages.create(
                    model=task.model,
                    max_tokens=task.max_tokens,
                    messages=messages,
                    extra_headers=headers,
                )
                return
            async with sdk.messages.stream(
                model=task.model,
                max_tokens=task.max_tokens,
                messages=messages,
                extra_headers=headers,
            ) as stream:
                await stream.get_final_message()

        yield call


@asynccontextmanager
async def openai_caller(base_url: str, key: str) -> AsyncIterator[Caller]:
    """The openai SDK."""
    import openai

    http = openai.DefaultAsyncHttpxClient(trust_env=False)
    url = f"{base_url}/v1"
    async with openai.AsyncOpenAI(base_url=url, api_key=key, http_client=http) as sdk:

        async def call(task: Task) -> None:
            messages: list[openai.types.chat.ChatCompletionMessageParam] = [
                {"role": "user", "content": task.prompt}
            ]
            headers = {ID_HEADER: task.id}
            if not task.member.stream:
                await sdk.chat.completions.create(
                    model=task.model,
                    max_completion_tokens=task.max_tokens,
                    messages=messages,
                    extra_headers=headers,
                )
                return
            stream = await sdk.chat.completions.create(
                model=task.model,
                max_completion_tokens=task.max_tokens,
                messages=messages,
                extra_headers=headers,
                stream=True,
            )
            async for _ in stream:
                pass

        yield call


@asynccontextmanager
async def gemini_caller(base_url: str, key: str) -> AsyncIterator[Caller]:
    """The google-genai SDK."""
    from google import genai
    from google.genai import types

    options = types.HttpOptions(
        base_url=base_url,
        retry_options=types.HttpRetryOptions(),
        async_client_args={"trust_env": False},
    )
    async with genai.Client(api_key=key, vertexai=False, http_options=options).aio as sdk:

        async def call(task: Task) -> None:
            config = types.GenerateContentConfig(
                max_output_tokens=task.max_tokens,
                http_options=types.HttpOptions(headers={ID_HEADER: task.id}),
            )
            if not task.member.stream:
                await sdk.models.generate_content(
                    model=task.model, contents=task.prompt, config=config
                )
                return
            stream = await sdk.models.generate_content_stream(
                model=task.model, contents=task.prompt, config=config
            )
            async for _ in stream:
                pass

        yield call


_CALLERS = {
    Dialect.ANTHROPIC: anthropic_caller,
    Dialect.OPENAI: openai_caller,
    Dialect.GEMINI: gemini_caller,
}
SDKS: Mapping[Dialect, str] = {
    Dialect.ANTHROPIC: "anthropic",
    Dialect.OPENAI: "openai",
    Dialect.GEMINI: "google-genai",
}


async def open_caller(stack: AsyncExitStack, dialect: Dialect, base_url: str, key: str) -> Caller:
    """A caller that is closed with the stack."""
    return await stack.enter_async_context(_CALLERS[dialect](base_url, key))
