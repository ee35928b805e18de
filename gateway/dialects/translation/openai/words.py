"""What both of OpenAI's formats say alike."""

from hashlib import sha256
from typing import Final

from gateway.dialects.translation import data_url, models
from gateway.dialects.translation.canonical import (
    Document,
    Effort,
    Image,
    Message,
    Request,
    Shape,
    Text,
    Thinking,
)
from gateway.dialects.translation.efforts import effort_of
from gateway.dialects.translation.features import PDF, PLAIN, Carries, Feature, Names
from gateway.dialects.translation.fields import Fields, Treatment
from gateway.dialects.translation.schemas import is_strict
from gateway.dialects.translation.untranslatable import Dropped, Untranslatable

_CARRIED, _DROPPED, _REFUSED = Treatment.CARRIED, Treatment.DROPPED, Treatment.REFUSED

CARRIES: Final[Carries] = {
    Feature.SYSTEM_INSIDE: _CARRIED,
    Feature.IMAGE_URL: _CARRIED,
    Feature.PDF: _CARRIED,
    Feature.PLAIN_TEXT: _REFUSED,
    Feature.DOCUMENT_URL: _REFUSED,
    Feature.RESULT_IMAGE: _REFUSED,
    Feature.RESULT_FAILED: _DROPPED,
    Feature.THOUGHTS: _DROPPED,
    Feature.TOOL_CHOICE: _CARRIED,
    Feature.PARALLEL: _CARRIED,
    Feature.STRICT: _CARRIED,
    Feature.SCHEMA: _CARRIED,
    Feature.JSON: _CARRIED,
    Feature.STOP: _CARRIED,
    Feature.MAX_OUTPUT: _CARRIED,
    Feature.TEMPERATURE: _CARRIED,
    Feature.TOP_P: _CARRIED,
    Feature.TOP_K: _DROPPED,
    Feature.SEED: _CARRIED,
    Feature.PENALTIES: _CARRIED,
    Feature.THINKING: _CARRIED,
    Feature.USER: _CARRIED,
    Feature.METADATA: _CARRIED,
    Feature.CACHE_KEY: _CARRIED,
    Feature.VERBOSITY: _CARRIED,
}
"""As Chat Completions has it."""

MAX_NAME: Final = 64
IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_MAX_USER = 64
_UNNAMED = "document.pdf"
"""A file's name is demanded, and not every caller has one."""
_OLD_EFFORTS = {
    Effort.NONE: Effort.LOW,
    Effort.MINIMAL: Effort.LOW,
    Effort.XHIGH: Effort.HIGH,
    Effort.MAX: Effort.HIGH,
}


def image_of(url: str, where: Fields, name: str) -> Image:
    """The image of a URL.

    Raises:
        Untranslatable: It is no URL that others know.
    """
    found = data_url.parsed(url)
    if found is not None:
        return Image(found[0], found[1])
    if not url.startswith(("https://", "http://")):
        raise where.refused(name, "it is neither a data URL nor one of the web")
    return Image(url=url)


def image_url(image: Image, names: Names) -> str:
    """The URL of an image.

    Raises:
        Untranslatable: OpenAI does not take its type.
    """
    if image.url:
        return image.url
    if image.media_type not in IMAGES:
        raise _unknown_type(image.media_type, names)
    return data_url.made(image.media_type, image.data)


def document_of(file: Fields) -> Document:
    """The document of a file part, which was sent inline or by URL.

    Raises:
        Untranslatable: It is kept at OpenAI.
    """
    if file.has("file_id"):
        raise file.refused("file_id", "a file kept at OpenAI stays there")
    name, url, data = file.text("filename"), file.text("file_url"), file.text("file_data")
    name = "" if name == _UNNAMED else name
    if url:
        return Document(PDF, url=url, name=name)
    found = data_url.parsed(data) or (PDF, data)
    return Document(found[0] or PDF, found[1], name=name)


def file_data(document: Document, names: Names) -> dict[str, object]:
    """The inline fields of a file part.

    Raises:
        Untranslatable: It is no PDF.
    """
    if document.media_type != PDF:
        raise _unknown_type(document.media_type, names)
    return {
        "filename": document.name or _UNNAMED,
        "file_data": data_url.made(PDF, document.data),
    }


def _unknown_type(media_type: str, names: Names) -> Untranslatable:
    param = names.get(Feature.PLAIN_TEXT if media_type == PLAIN else Feature.PDF)
    return Untranslatable(f"Media of type {media_type!r} cannot be sent to OpenAI.", param)


def effort(request: Request, names: Names, dropped: Dropped) -> str | None:
    """The effort, in words that this model knows; `None` if nothing is asked."""
    thinking = request.thinking
    wanted = None if thinking is None else _wanted(thinking)
    if wanted is None:
        return None
    if not models.gpt_takes_effort(request.model):
        if wanted is not Effort.NONE:
            dropped.add(names.get(Feature.THINKING, "thinking"))
        return None
    if models.gpt_has_old_efforts(request.model):
        wanted = _OLD_EFFORTS.get(wanted, wanted)
    return wanted.value


def _wanted(thinking: Thinking) -> Effort | None:
    if thinking.effort is not None or thinking.budget_tokens is None:
        return thinking.effort
    return effort_of(thinking.budget_tokens)


def sampling(request: Request, names: Names, dropped: Dropped) -> dict[str, object]:
    """Temperature and top-p, which reasoning models refuse."""
    found: dict[str, object] = {}
    for feature, name, value in (
        (Feature.TEMPERATURE, "temperature", request.temperature),
        (Feature.TOP_P, "top_p", request.top_p),
    ):
        if value is None:
            continue
        if models.gpt_reasons(request.model):
            dropped.add(names.get(feature, name))
        else:
            found[name] = value
    return found


def common(request: Request) -> dict[str, object]:
    """Who is asking, and other fields that both formats call alike."""
    found: dict[str, object] = {}
    if request.user:
        found["user"] = _user(request.user)
    if request.metadata:
        found["metadata"] = dict(request.metadata)
    if request.cache_key:
        found["prompt_cache_key"] = request.cache_key
    if request.tools and request.parallel is not None:
        found["parallel_tool_calls"] = request.parallel
    return found


def _user(user: str) -> str:
    """OpenAI takes 64 characters; a longer name is told by its digest."""
    return user if len(user) <= _MAX_USER else sha256(user.encode(errors="replace")).hexdigest()


def schema_fields(shape: Shape) -> dict[str, object]:
    """A schema for an answer; strict where it fulfils what OpenAI asks of strict ones."""
    schema = shape.schema or {}
    found: dict[str, object] = {
        "name": shape.name or "answer",
        "schema": dict(schema),
        "strict": is_strict(schema),
    }
    if shape.description:
        found["description"] = shape.description
    return found


def shape_of(form: Fields) -> Shape:
    """The shape that a `json_schema` asks for."""
    found = Shape(form.json("schema") or {}, form.text("name"), form.text("description"))
    form.ignore("strict")
    form.rest()
    return found


def instructions(message: Message, where: Fields) -> list[Text]:
    """What a system message at the head says.

    Raises:
        Untranslatable: It shows something, which others cannot have among their instructions.
    """
    found = [part for part in message.parts if isinstance(part, Text)]
    if len(found) != len(message.parts):
        raise where.refused("content", "instructions are words")
    return found


def user_of(body: Fields) -> str:
    """Who is asking, by the new name or the old one."""
    new, old = body.text("safety_identifier"), body.text("user")
    return new or old


def joined(parts: tuple[Text, ...]) -> object:
    """Text content: a string if it is one."""
    if len(parts) == 1:
        return parts[0].text
    return [{"type": "text", "text": part.text} for part in parts] if parts else ""


def reasons(request: Request) -> bool:
    """Whether this model can be asked to reason."""
    return models.gpt_takes_effort(request.model)
