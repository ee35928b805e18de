"""What a wire format can do for a translation: the interface that all four implement."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from gateway.dialects.codec import Reply
from gateway.domain.call import Matched

from .canonical import Answer, Event, Failure, Request
from .features import Carries, Names
from .fields import Treatment
from .untranslatable import Dropped


@dataclass(frozen=True, slots=True)
class Caller:
    """What an answer in the caller's format needs to know besides the answer.

    Attributes:
        request_id: The gateway's id of the call.
        now_s: Epoch seconds, for formats whose answers carry a time.
        include_usage: A chat stream ends with its usage.
        in_array: A Gemini stream is one JSON array.
        shows_thoughts: Thoughts may be passed on. Not where the gateway moved the call to another
            provider by itself: the conversation may go back, and a provider refuses thoughts that
            it has not signed.
        echoed: Fields of the request that answers of the format repeat.
    """

    request_id: str = ""
    now_s: int = 0
    include_usage: bool = False
    in_array: bool = False
    shows_thoughts: bool = True
    echoed: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as read, with what its own format alone needs to answer it."""

    request: Request
    echoed: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Written:
    """A request as it goes to a provider: path with version, query, JSON body, own headers."""

    path: str
    query: bytes
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


class StreamReader(Protocol):
    """Reads one streamed answer of a provider; the same for any chunking."""

    def feed(self, chunk: bytes) -> Iterable[Event]:
        """The next bytes.

        Raises:
            Unreadable: They are not what the format promises.
        """

    def finish(self) -> Iterable[Event]:
        """The stream is whole. Not called for one that was cut."""


class StreamWriter(Protocol):
    """Writes one streamed answer for the caller, each event as soon as it is told."""

    def write(self, event: Event) -> bytes:
        """The bytes of an event; often empty. They end between two events of the stream."""


class Format(Protocol):
    """One wire format. Stateless."""

    @property
    def names(self) -> Names:
        """Its names of the features that it knows."""

    @property
    def carries(self) -> Carries:
        """What becomes of each feature that is written in it."""

    @property
    def fields(self) -> Mapping[str, Treatment]:
        """All fields of its request bodies."""

    def read_request(self, matched: Matched, body: bytes, dropped: Dropped) -> Asked:
        """Read a caller's body.

        Raises:
            Untranslatable: It cannot be understood, or no other format could say it.
        """

    def write_request(self, request: Request, names: Names, dropped: Dropped) -> Written:
        """Write a request that `fit` has been over.

        Args:
            request: With the name of the target's model.
            names: The caller's names, for what is refused or dropped on the way.
            dropped: Is told what is left out.

        Raises:
            Untranslatable: This model or format cannot be told.
        """

    def read_answer(self, body: bytes) -> Answer:
        """Read a provider's whole answer.

        Raises:
            Unreadable: It is none.
        """

    def write_answer(self, answer: Answer, caller: Caller) -> bytes:
        """Write a whole answer.

        Raises:
            Unreadable: The provider's arguments for a tool are no JSON object, and it needs one.
        """

    def reader(self) -> StreamReader:
        """For one stream of a provider."""

    def writer(self, caller: Caller) -> StreamWriter:
        """For one stream to a caller."""

    def read_failure(self, status: int, body: bytes) -> Failure:
        """Read a provider's error."""

    def write_failure(self, failure: Failure, caller: Caller) -> Reply:
        """Write an error, with the status that the caller's SDK expects of one like it."""
