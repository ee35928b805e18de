"""Chat Completions behind the interface of all formats."""

from collections.abc import Mapping

import msgspec

from gateway.dialects.codec import Reply
from gateway.dialects.translation.canonical import Answer, Failure, Request
from gateway.dialects.translation.features import Carries, Names
from gateway.dialects.translation.fields import Treatment, opened
from gateway.dialects.translation.format import Asked, Caller, Written
from gateway.dialects.translation.untranslatable import Dropped
from gateway.domain.call import Matched

from . import chat_answers, chat_requests, chat_streams, chat_writing, failures, words


class ChatCompletions:
    """Implements `gateway.dialects.translation.format.Format`."""

    __slots__ = ()

    names: Names = chat_requests.NAMES
    carries: Carries = words.CARRIES
    fields: Mapping[str, Treatment] = chat_requests.FIELDS

    def read_request(self, matched: Matched, body: bytes, dropped: Dropped) -> Asked:
        """See `chat_requests.read`."""
        return Asked(chat_requests.read(opened(body, dropped)))

    def write_request(self, request: Request, names: Names, dropped: Dropped) -> Written:
        """See `chat_writing.body`."""
        body = msgspec.json.encode(chat_writing.body(request, names, dropped))
        return Written("/v1/chat/completions", b"", body)

    def read_answer(self, body: bytes) -> Answer:
        """See `chat_answers.read`."""
        return chat_answers.read(body)

    def write_answer(self, answer: Answer, caller: Caller) -> bytes:
        """See `chat_answers.write`."""
        return chat_answers.write(answer, caller)

    def reader(self) -> chat_streams.Reader:
        """For one stream of an OpenAI provider."""
        return chat_streams.Reader()

    def writer(self, caller: Caller) -> chat_streams.Writer:
        """For one stream to an OpenAI client."""
        return chat_streams.Writer(caller)

    def read_failure(self, status: int, body: bytes) -> Failure:
        """See `failures.read`."""
        return failures.read(status, body)

    def write_failure(self, failure: Failure, caller: Caller) -> Reply:
        """See `failures.write`."""
        return failures.write(failure)
