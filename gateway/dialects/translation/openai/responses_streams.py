"""Writes streams of the Responses API, with all of its typed events (provider-facts B2)."""

import msgspec

from gateway.dialects import sse
from gateway.dialects.openai.codec import COMMENT
from gateway.dialects.translation.canonical import (
    Alive,
    Begun,
    Delta,
    Ended,
    Event,
    Failed,
    Failure,
    PartBegun,
    PartEnded,
    Spoken,
    Text,
    Thought,
    ToolCall,
    with_text,
)
from gateway.dialects.translation.format import Caller

from . import failures
from . import responses_answers as answers


class Writer:
    """Writes one stream."""

    __slots__ = ("_caller", "_hidden", "_id", "_items", "_model", "_number", "_part", "_text")

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._id = self._model = ""
        self._number = -1
        self._items: list[dict[str, object]] = []
        self._part: Spoken = Text("")
        self._text: list[str] = []
        self._hidden = False

    def write(self, event: Event) -> bytes:
        """The bytes of an event."""
        match event:
            case Begun(answer_id, model):
                self._id, self._model = answer_id, model
                response = answers.envelope(answer_id, model, self._caller, "in_progress")
                return b"".join(
                    self._event(f"response.{name}", {"response": response})
                    for name in ("created", "in_progress")
                )
            case PartBegun(part):
                self._part, self._text = part, []
                self._hidden = isinstance(part, Thought) and not self._caller.shows_thoughts
                return b"" if self._hidden else self._begin()
            case Delta(text):
                return b"" if self._hidden else self._more(text)
            case PartEnded():
                return b"" if self._hidden else self._close()
            case Ended(finish, usage):
                response = answers.finished(
                    self._id, self._model, self._caller, finish, usage, self._items
                )
                return self._event(f"response.{response['status']}", {"response": response})
            case Failed(failure):
                return self._fail(failure)
            case Alive():
                return COMMENT

    def _begin(self) -> bytes:
        item = self._item("", "in_progress")
        match self._part:
            case Text():
                item["content"] = []
            case Thought():
                item["summary"] = []
            case ToolCall():
                pass
        out = self._event("response.output_item.added", {**self._index(), "item": item})
        match self._part:
            case Text():
                part = answers.text_part("")
                out += self._event("response.content_part.added", {**self._where(), "part": part})
            case Thought():
                part = answers.summary_part("")
                name = "response.reasoning_summary_part.added"
                out += self._event(name, {**self._where(), "part": part})
            case ToolCall():
                pass  # nothing is below the item
        return out

    def _more(self, text: str) -> bytes:
        self._text.append(text)
        fields = {**self._where(), "delta": text}
        match self._part:
            case Text():
                return self._event("response.output_text.delta", {**fields, "logprobs": []})
            case Thought():
                return self._event("response.reasoning_summary_text.delta", fields)
            case ToolCall():
                return self._event("response.function_call_arguments.delta", fields)

    def _close(self) -> bytes:
        text = "".join(self._text)
        where = self._where()
        match self._part:
            case Text():
                done = {**where, "text": text, "logprobs": []}
                out = self._event("response.output_text.done", done)
                part = answers.text_part(text)
                out += self._event("response.content_part.done", {**where, "part": part})
            case Thought():
                done = {**where, "text": text}
                out = self._event("response.reasoning_summary_text.done", done)
                part = answers.summary_part(text)
                name = "response.reasoning_summary_part.done"
                out += self._event(name, {**where, "part": part})
            case ToolCall(name=name):
                done = {**where, "name": name, "arguments": text}
                out = self._event("response.function_call_arguments.done", done)
        item = self._item(text, "completed")
        out += self._event("response.output_item.done", {**self._index(), "item": item})
        self._items.append(item)
        return out

    def _fail(self, failure: Failure) -> bytes:
        error = {"code": failures.code_of(failure), "message": failure.message}
        response = answers.envelope(self._id, self._model, self._caller, "failed")
        response |= {"error": error, "output": self._items}
        # The SDKs raise for an `error` beside the response, and only yield the event without it.
        beside = failures.error_object(failure) | {"code": error["code"]}
        return self._event("response.failed", {"response": response, "error": beside})

    def _item(self, text: str, status: str) -> dict[str, object]:
        return answers.item(self._id, len(self._items), with_text(self._part, text), status)

    def _index(self) -> dict[str, object]:
        return {"output_index": len(self._items)}

    def _where(self) -> dict[str, object]:
        found = {"item_id": self._item("", "")["id"], **self._index()}
        match self._part:
            case Text():
                found["content_index"] = 0
            case Thought():
                found["summary_index"] = 0
            case ToolCall():
                pass
        return found

    def _event(self, name: str, fields: dict[str, object]) -> bytes:
        self._number += 1
        data = {"type": name, "sequence_number": self._number, **fields}
        return sse.encode(msgspec.json.encode(data), name)
