"""Small JSON bodies of requests, read within a length and a time."""

import asyncio
from typing import TypeVar

import aiohttp.web
import msgspec

from web.answers import AnswerError, invalid

LONGEST = 64 << 10
SECONDS = 30.0
_T = TypeVar("_T", bound=msgspec.Struct)


async def read_body(request: aiohttp.web.Request, kind: type[_T]) -> _T:
    """The body as this struct; AnswerError when it is too long, late, or something else."""
    if (request.content_length or 0) > LONGEST:
        raise AnswerError(413, "invalid", "That is more than this takes: 64 KiB at most.")
    try:
        async with asyncio.timeout(SECONDS):
            body = await request.content.read(LONGEST + 1)
            while len(body) <= LONGEST and (more := await request.content.read(LONGEST)):
                body += more
    except TimeoutError:
        raise AnswerError(408, "failed", "The request did not come in time.") from None
    if len(body) > LONGEST:
        raise AnswerError(413, "invalid", "That is more than this takes: 64 KiB at most.")
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise invalid(f"This cannot be taken: {error}.") from None
    except (msgspec.MsgspecError, UnicodeError):
        raise invalid("Send JSON.") from None
