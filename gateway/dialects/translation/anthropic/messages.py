"""The Messages API behind the interface of all formats."""

from collections.abc import Mapping

import msgspec

from gateway.dialects.codec import Reply
from gateway.dialects.translation.canonical import Answer, Failure, Request
from gateway.dialects.translation.features import Carries, Names
from gateway.dialects.translation.fields import Treatment, opened
from gateway.dialects.translation.format import Asked, Caller, Written
from gateway.dialects.translation.untranslatable import Dropped
from gateway.domain.call import Matched

from . import answers, failures, requests, streams, writing

VERSION = (b"anthropic-version", b"2023-06-01")
"""The version that still takes temperature, top-p and top-k (provider-facts A1)."""


class AnthropicMessages:
    """Implements `gateway.dialects.translation.format.Format`."""

    __slots__ = ()

    names: Names = requests.NAMES
    carries: Carries = writing.CARRIES
    fields: Mapping[str, Treatment] = requests.FIELDS

    def read_request(self, matched: Matched, body: bytes, dropped: Dropped) -> Asked:
        """See `requests.read`."""
        return Asked(requests.read(opened(body, dropped)))

    def write_request(self, request: Request, names: Names, dropped: Dropped) -> Written:
        """See `writing.body`."""
        body = msgspec.json.encode(writing.body(request, names, dropped))
        return Written("/v1/messages", b"", body, (VERSION,))

    def read_answer(self, body: bytes) -> Answer:
        """See `answers.read`."""
        return answers.read(body)

    def write_answer(self, answer: Answer, caller: Caller) -> bytes:
        """See `answers.write`."""
        return answers.write(answer, shows_thoughts=caller.shows_thoughts)

    def reader(self) -> streams.Reader:
        """For one stream of Anthropic's."""
        return streams.Reader()

    def writer(self, caller: Caller) -> streams.Writer:
        """For one stream to an Anthropic client."""
        return streams.Writer(caller)

    def read_failure(self, status: int, body: bytes) -> Failure:
        """See `failures.read`."""
        return failures.read(status, body)

    def write_failure(self, failure: Failure, caller: Caller) -> Reply:
        """See `failures.write`."""
        return failures.write(failure, caller)
