"""Pictures as people have them, and such as nobody should have; all made by Pillow."""

import io
import struct
import zlib
from typing import Any

from PIL import Image


def picture_of(
    width: int, height: int, kind: str = "JPEG", mode: str = "RGB", **more: Any
) -> bytes:
    """A picture whose left half is dark and whose right one is light."""
    place = io.BytesIO()
    drawn(width, height, mode).save(place, kind, **more)
    return place.getvalue()


def drawn(width: int, height: int, mode: str = "RGB") -> Image.Image:
    picture = Image.new("L", (width, height), 20)
    picture.paste(230, (width // 2, 0, width, height))
    if mode == "I;16":
        return picture.convert("I").point(lambda shade: shade * 257).convert("I;16")
    return picture.convert(mode)


def bomb(width: int, height: int) -> bytes:
    """A small PNG that says it is huge."""

    def part(kind: bytes, content: bytes) -> bytes:
        crc = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(3 * min(width, 60_000) + 1) * 10)
    magic = b"\x89PNG\r\n\x1a\n"
    return magic + part(b"IHDR", header) + part(b"IDAT", rows) + part(b"IEND", b"")


def opened(content: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(content))
    picture.load()
    return picture
