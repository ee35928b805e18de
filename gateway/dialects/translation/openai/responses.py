"""The Responses API behind the interface of all formats."""

from collections.abc import Mapping

import msgspec

from gateway.dialects.codec import Reply
from gateway.dialects.translation.canonical import Answer, Failure, Request
from gateway.dialects.translation.features import Carries, Names
from gateway.dialects.translation.fields import Treatment, opened
from gateway.dialects.translation.format import Asked, Caller, Written
from gateway.dialects.translation.untranslatable import Dropped
from gateway.domain.call import Matched

from . import (
    failures,
    responses_answers,
    responses_reading,
    responses_requests,
    responses_streams,
    responses_writing,
)


class Responses:
    """Implements `gateway.dialects.translation.format.Format`."""

    __slots__ = ()

    names: Names = responses_requests.NAMES
    carries: Carries = responses_writing.CARRIES
    fields: Mapping[str, Treatment] = responses_requests.FIELDS

    def read_request(self, matched: Matched, body: bytes, dropped: Dropped) -> Asked:
        """See `responses_requests.read`."""
        request, echoed = responses_requests.read(opened(body, dropped))
        return Asked(request, echoed=echoed)

    def write_request(self, request: Request, names: Names, dropped: Dropped) -> Written:
        """See `responses_writing.body`."""
        body = msgspec.json.encode(responses_writing.body(request, names, dropped))
        return Written("/v1/responses", b"", body)

    def read_answer(self, body: bytes) -> Answer:
        """See `responses_answers.read`."""
        return responses_answers.read(body)

    def write_answer(self, answer: Answer, caller: Caller) -> bytes:
        """See `responses_answers.write`."""
        return responses_answers.write(answer, caller)

    def reader(self) -> responses_reading.Reader:
        """For one stream of OpenAI's."""
        return responses_reading.Reader()

    def writer(self, caller: Caller) -> responses_streams.Writer:
        """For one stream to an OpenAI client."""
        return responses_streams.Writer(caller)

    def read_failure(self, status: int, body: bytes) -> Failure:
        """See `failures.read`."""
        return failures.read(status, body)

    def write_failure(self, failure: Failure, caller: Caller) -> Reply:
        """See `failures.write`."""
        return failures.write(failure)
