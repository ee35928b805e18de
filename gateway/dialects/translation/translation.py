"""A call's way into another format, and the way of its answer back."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from gateway.dialects.codec import Reply
from gateway.domain.call import Dialect, Endpoint, Matched

from .anthropic.messages import AnthropicMessages
from .canonical import Begun, Event, Failed
from .features import fit
from .format import Asked, Caller, Format, StreamReader, StreamWriter, Written
from .gemini.generate import GenerateContent
from .models import bounded_output
from .openai.chat import ChatCompletions
from .openai.responses import Responses
from .untranslatable import Dropped

FORMATS: Final[Mapping[Endpoint, Format]] = {
    Endpoint.MESSAGES: AnthropicMessages(),
    Endpoint.CHAT: ChatCompletions(),
    Endpoint.RESPONSES: Responses(),
    Endpoint.GENERATE: GenerateContent(),
}
"""By the endpoint that speaks it. Calls to other endpoints are not translated."""

ENDPOINTS: Final[Mapping[Dialect, Endpoint]] = {
    Dialect.ANTHROPIC: Endpoint.MESSAGES,
    Dialect.OPENAI: Endpoint.CHAT,
    Dialect.GEMINI: Endpoint.GENERATE,
}
"""Where a provider of a dialect is called. Chat Completions, since every server of OpenAI's dialect
has it; a provider may be set to Responses instead."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A caller's request, understood.

    Attributes:
        dropped: Fields that no other format has.
    """

    format: Format
    matched: Matched
    asked: Asked
    dropped: tuple[str, ...]

    def into(self, endpoint: Endpoint, model: str) -> "Translation":
        """The request for a model that is served at another endpoint.

        Raises:
            Untranslatable: It cannot be said there.
        """
        target = FORMATS[endpoint]
        dropped = Dropped()
        for name in self.dropped:
            dropped.add(name)
        names = self.format.names
        request = replace(self.asked.request, model=model)
        if (most := request.max_output_tokens) is not None:
            request = replace(request, max_output_tokens=bounded_output(model, most))
        request = fit(request, target.carries, names, dropped)
        written = target.write_request(request, names, dropped)
        stream = request.stream
        in_path = endpoint is Endpoint.GENERATE
        matched = Matched(
            endpoint,
            model if in_path else None,
            stream=stream and in_path,
            events=stream and in_path,
        )
        thinking = request.thinking
        return Translation(
            source=self.format,
            target=target,
            matched=matched,
            model=model,
            in_array=self.matched.in_array,
            asked_for_thoughts=thinking is not None and thinking.shown,
            echoed=self.asked.echoed,
            written=written,
            dropped=dropped.names,
        )


def read(matched: Matched, body: bytes) -> Reading:
    """Understand a request.

    Args:
        matched: What its path says; the endpoint must have a format.
        body: Decoded.

    Raises:
        Untranslatable: It cannot be understood, or no other format could say it.
    """
    dropped = Dropped()
    found = FORMATS[matched.endpoint]
    asked = found.read_request(matched, body, dropped)
    return Reading(found, matched, asked, dropped.names)


@dataclass(frozen=True, slots=True)
class Translation:
    """A request as it goes to a provider, and how what comes back is told to its caller.

    Holds nothing of the conversation but what is sent: streams are long, and there are many.

    Attributes:
        source: The caller's format.
        target: The provider's.
        matched: What the target's path says.
        model: The model that is called.
        in_array: The caller wants its stream as one JSON array.
        asked_for_thoughts: The caller wants to see them.
        echoed: What an answer repeats of its request.
        written: What to send.
        dropped: The caller's fields that are left out.
    """

    source: Format
    target: Format
    matched: Matched
    model: str
    in_array: bool
    asked_for_thoughts: bool
    echoed: Mapping[str, object]
    written: Written
    dropped: tuple[str, ...]

    def caller(
        self, request_id: str, now_s: int, *, shows_thoughts: bool, include_usage: bool
    ) -> Caller:
        """What the writers need to know of the caller; see `Caller`."""
        return Caller(
            request_id,
            now_s,
            include_usage=include_usage,
            in_array=self.in_array,
            shows_thoughts=shows_thoughts and self.asked_for_thoughts,
            echoed=self.echoed,
        )

    def answer(self, body: bytes, caller: Caller) -> bytes:
        """A whole answer of the provider, for the caller.

        Raises:
            Unreadable: It is none, or none that could be told.
        """
        answer = self.target.read_answer(body)
        answer = replace(
            answer, id=answer.id or caller.request_id, model=answer.model or self.model
        )
        return self.source.write_answer(answer, caller)

    def answering(self, caller: Caller) -> "StreamTranslator":
        """For the provider's stream."""
        return StreamTranslator(
            self.target.reader(), self.source.writer(caller), caller.request_id, self.model
        )

    def failure(self, status: int, body: bytes, caller: Caller) -> Reply:
        """An error of the provider, for the caller."""
        return self.source.write_failure(self.target.read_failure(status, body), caller)

    def failure_event(self, status: int, body: bytes, caller: Caller) -> bytes:
        """An error of the provider, for a caller who has the head of a stream already."""
        failure = self.target.read_failure(status, body)
        return self.source.writer(caller).write(Failed(failure))


class StreamTranslator:
    """Translates one stream, chunk by chunk. What it returns ends between two events."""

    __slots__ = ("_id", "_model", "_reader", "_writer")

    def __init__(
        self, reader: StreamReader, writer: StreamWriter, answer_id: str, model: str
    ) -> None:
        """`answer_id` and `model` stand in where the provider names none."""
        self._reader = reader
        self._writer = writer
        self._id = answer_id
        self._model = model

    def feed(self, chunk: bytes) -> bytes:
        """The next bytes of the provider; what goes to the caller.

        Raises:
            Unreadable: They are not what the format promises.
        """
        return b"".join([self._write(event) for event in self._reader.feed(chunk)])

    def finish(self) -> bytes:
        """The provider's stream is whole."""
        return b"".join([self._write(event) for event in self._reader.finish()])

    def _write(self, event: Event) -> bytes:
        if isinstance(event, Begun):
            event = replace(event, id=event.id or self._id, model=event.model or self._model)
        return self._writer.write(event)
