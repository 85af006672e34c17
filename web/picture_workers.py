"""Starts the processes that look at pictures and make their smaller versions; a few at a time.

This process decodes nothing itself. A worker gets open files and no names, none of our environment,
and a deadline; what it answers is checked like anything from outside.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import structlog
from msgspec import Meta

from protocol.pictures import BOXES, RenditionQuality, Side

AT_ONCE = 2
SECONDS = 120.0
"""By the clock; of the processor it may use less. It steps back for everything else."""
_MOST_SAID = 64 << 10
_FORMAT_OF = {
    "jpg": "JPEG",
    "jpeg": "JPEG",
    "jpe": "JPEG",
    "jfif": "JPEG",
    "png": "PNG",
    "apng": "PNG",
    "webp": "WEBP",
    "gif": "GIF",
    "tif": "TIFF",
    "tiff": "TIFF",
    "bmp": "BMP",
    "avif": "AVIF",
}
_ENDING_OF = {"JPEG": "jpg", "WEBP": "webp", "TIFF": "tif"}
_WHY = {
    "unknown": "it is no picture of a kind that is known here: JPEG, PNG, WebP, GIF, TIFF, BMP, "
    "AVIF",
    "damaged": "it is cut off or damaged. Look at it where it comes from, then upload it again",
    "too much": "to open it takes more memory than one picture may have here. Make it smaller",
    "late": "to open it takes too long. Make it smaller, or save it as JPEG",
    "failed": "it could not be opened here. Save it as JPEG or PNG, then upload that",
}

_log = structlog.get_logger()


class Made(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One smaller version, in the file that was given for it."""

    quality: RenditionQuality
    width: Side
    height: Side
    ending: Literal["jpg", "webp"]
    size: Annotated[int, Meta(ge=1, le=16 << 20)]


class Looked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A picture that can be shown: as it is seen, in pixels."""

    width: Side
    height: Side
    made: tuple[Made, ...] = ()


class _Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    width: Side | None = None
    height: Side | None = None
    made: tuple[Made, ...] = ()
    refused: Annotated[tuple[str | int, ...], Meta(max_length=3)] = ()


class PictureError(Exception):
    """Nothing can be made of it; the text says why and what to do, to go on after its name."""


class PictureWorkers:
    """Runs one process for each picture."""

    def __init__(self, at_once: int = AT_ONCE, seconds: float = SECONDS) -> None:
        self._turns = asyncio.Semaphore(at_once)
        self._seconds = seconds

    async def make(
        self, source: Path, name: str, wanted: Sequence[tuple[RenditionQuality, Path]]
    ) -> Looked:
        """Look at a picture, and make these versions of it, as files that must not be there yet.

        PictureError when it cannot be used, OSError when it cannot be read or they not be written.
        """
        async with self._turns:
            with contextlib.ExitStack() as files:
                read = files.enter_context(_opened(source, os.O_RDONLY))
                outputs = {}
                for quality, path in wanted:
                    new = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
                    number = files.enter_context(_opened(path, new))
                    width, height = BOXES[quality]
                    outputs[quality] = {"width": width, "height": height, "file": number}
                return await self._ask(read, name, outputs)

    async def _ask(
        self, source: int, name: str, outputs: dict[RenditionQuality, dict[str, int]]
    ) -> Looked:
        kind = _FORMAT_OF.get(name.rpartition(".")[2].casefold(), "")
        task = msgspec.json.encode({"format": kind, "outputs": outputs}).decode()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "web.picture_worker", task),
            stdin=source,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            pass_fds=[each["file"] for each in outputs.values()],
            env={"PATH": os.defpath, "LANG": "C.UTF-8"},
            cwd="/",
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(self._seconds):
                said = await _read_all(process)
                code = await process.wait()
        except TimeoutError:
            raise PictureError(_WHY["late"]) from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        return _checked(said, name, code)


async def _read_all(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    said = b""
    while len(said) <= _MOST_SAID and (more := await process.stdout.read(_MOST_SAID)):
        said += more
    return said


def _checked(said: bytes, name: str, code: int) -> Looked:
    try:
        answer = msgspec.json.decode(said, type=_Answer)
    except (msgspec.MsgspecError, UnicodeError):
        _log.warning("a picture ended its worker", name=name, code=code)
        raise PictureError(_WHY["failed"]) from None
    if answer.width and answer.height:
        return Looked(answer.width, answer.height, answer.made)
    raise PictureError(_why(name, *answer.refused))


def _why(name: str, reason: str | int = "failed", *about: str | int) -> str:
    if reason == "pixels":
        size = " x ".join(f"{side:,}" for side in about)
        return f"it says that it is {size} pixels large, more than can be opened. Make it smaller"
    if reason == "ending" and about:
        ending = _ENDING_OF.get(str(about[0]), str(about[0]).lower())
        stem = name.rpartition(".")[0]
        return f"it is a {about[0]} picture, whatever its name says. Rename it to {stem}.{ending}"
    return _WHY.get(str(reason), _WHY["failed"])


@contextlib.contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    number = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        yield number
    finally:
        os.close(number)
