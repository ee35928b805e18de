"""generateContent behind the interface of all formats."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

import msgspec

from gateway.dialects.codec import Reply
from gateway.dialects.translation.canonical import Answer, Failure, Request
from gateway.dialects.translation.features import Carries, Names
from gateway.dialects.translation.fields import Fields, Treatment, parsed
from gateway.dialects.translation.format import Asked, Caller, Written
from gateway.dialects.translation.untranslatable import Dropped
from gateway.domain.call import Matched

from . import answers, failures, requests, streams, writing

_BELOW: Final = "generationConfig."


class GenerateContent:
    """Implements `gateway.dialects.translation.format.Format`."""

    __slots__ = ()

    names: Names = requests.NAMES
    carries: Carries = writing.CARRIES
    fields: Mapping[str, Treatment] = {
        **requests.FIELDS,
        **{_BELOW + name: one for name, one in requests.CONFIG_FIELDS.items()},
    }

    def read_request(self, matched: Matched, body: bytes, dropped: Dropped) -> Asked:
        """See `requests.read`."""
        spelled = requests.in_camel_case(parsed(body))
        found = Fields(spelled, "", dropped)
        return Asked(requests.read(found, matched.model or "", stream=matched.stream))

    def write_request(self, request: Request, names: Names, dropped: Dropped) -> Written:
        """See `writing.body`. The API's beta version has all that is written."""
        body = msgspec.json.encode(writing.body(request, names, dropped))
        path = f"/v1beta/models/{quote(request.model, safe='')}"
        if request.stream:
            return Written(f"{path}:streamGenerateContent", b"alt=sse", body)
        return Written(f"{path}:generateContent", b"", body)

    def read_answer(self, body: bytes) -> Answer:
        """See `answers.read`."""
        return answers.read(body)

    def write_answer(self, answer: Answer, caller: Caller) -> bytes:
        """See `answers.write`."""
        return answers.write(answer, shows_thoughts=caller.shows_thoughts)

    def reader(self) -> streams.Reader:
        """For one stream of Gemini's events."""
        return streams.Reader()

    def writer(self, caller: Caller) -> streams.Writer:
        """For one stream to a Gemini client."""
        return streams.Writer(caller)

    def read_failure(self, status: int, body: bytes) -> Failure:
        """See `failures.read`."""
        return failures.read(status, body)

    def write_failure(self, failure: Failure, caller: Caller) -> Reply:
        """See `failures.write`."""
        return failures.write(failure)
