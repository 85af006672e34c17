"""Reads what a request asks for into its struct; what is wrong is told with the field's name."""

import asyncio
import re
from typing import Annotated, Any, TypeVar

import aiohttp
import aiohttp.web
import msgspec
from msgspec import Meta

from web.answers import AnswerError, invalid

BODY_SECONDS = 30.0
LONGEST_BODY = 16 << 10

_T = TypeVar("_T", bound=msgspec.Struct)
_AT = re.compile(r" - at `(?:key in )?\$\.?(.*)`$")
_FIELD = re.compile(r"Object (missing required|contains unknown) field `(.*?)`", re.DOTALL)
_LENGTH = re.compile(r"`(str|array)` of length (<=|>=) (\d+)")
_UNION = re.compile(r"`\w+(?: \| \w+)+`")
_WORDS = {
    "`int`": "a whole number",
    "`float`": "a number",
    "`str`": "text",
    "`bool`": "true or false",
    "`array`": "a list",
    "`object`": "an object",
    "`null`": "null",
    "<=": "of at most",
    ">=": "of at least",
}
_LISTS = (
    msgspec.inspect.ListType,
    msgspec.inspect.VarTupleType,
    msgspec.inspect.TupleType,
)


class StartQuery(msgspec.Struct, frozen=True):
    """Of a list that comes in pages: the number of the first one to tell."""

    start: Annotated[int, Meta(ge=0, le=1 << 53)] = 0


async def read_json(
    request: aiohttp.web.Request,
    kind: type[_T],
    *,
    within: float = BODY_SECONDS,
    most: int = LONGEST_BODY,
) -> _T:
    """The body as `kind`; AnswerError when it is too long, too late, cut off or not that."""
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise AnswerError(415, "invalid", "Send JSON as it is, without Content-Encoding.")
    try:
        async with asyncio.timeout(within):
            body = await _read(request, most)
    except TimeoutError:
        raise AnswerError(408, "failed", "The request did not come in time.") from None
    except (ConnectionError, aiohttp.ClientPayloadError, aiohttp.web.HTTPException):
        raise invalid("The request was cut off.") from None
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise wrong_field(str(error)) from None
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise invalid("The request is not JSON.") from None


def read_query(request: aiohttp.web.Request, kind: type[_T]) -> _T:
    """The query as `kind`, where unknown names are passed over; lists may repeat their name."""
    given: dict[str, Any] = {}
    for known in _fields(kind):
        values = request.query.getall(known.encode_name, [])
        if isinstance(known.type, _LISTS):
            given |= {known.encode_name: values} if values else {}
        elif len(values) > 1:
            raise invalid(f"“{known.encode_name}” is there twice.", known.encode_name)
        elif values:
            given[known.encode_name] = values[0]
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise wrong_field(str(error)) from None


def wrong_field(said: str) -> AnswerError:
    """What msgspec said of a value, for a person: it names fields and types, never values."""
    place = _AT.search(said)
    where = place[1] if place else ""
    said = said[: place.start()] if place else said
    if found := _FIELD.match(said):
        name = ".".join(part for part in (where, found[2]) if part)[:100]
        missing = found[1].startswith("missing")
        text = f"“{name}” is missing." if missing else f"“{name}” is not known here."
        return invalid(text, name)
    said = _LENGTH.sub(_length, said)
    said = _UNION.sub(lambda found: found[0].replace(" | ", "` or `"), said)
    for word, plain in _WORDS.items():
        said = said.replace(word, plain)
    said = said.replace("`", "“", 1).replace("`", "”", 1)
    said = said[:1].lower() + said[1:300]
    return invalid(f"“{where}” is wrong: {said}." if where else f"This is wrong: {said}.", where)


def _length(found: re.Match[str]) -> str:
    counted = "characters" if found[1] == "str" else "values"
    return f"`{found[1]}` {found[2]} {found[3]} {counted}"


async def _read(request: aiohttp.web.Request, most: int) -> bytes:
    body = bytearray()
    if (request.content_length or 0) <= most:
        while content := await request.content.readany():
            body += content
            if len(body) > most:
                break
        else:
            return bytes(body)
    raise AnswerError(413, "invalid", f"The request is too long: {most} bytes at most.")


def _fields(kind: type[msgspec.Struct]) -> tuple[msgspec.inspect.Field, ...]:
    described = msgspec.inspect.type_info(kind)
    assert isinstance(described, msgspec.inspect.StructType)
    return described.fields
