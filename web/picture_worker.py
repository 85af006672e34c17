"""One picture decoded in a cage: a process of its own that has limits and can reach nothing.

`python -P -m web.picture_worker TASK`, with the picture as standard input. The files to write are
open already; TASK (JSON, see `web.picture_workers`) says which descriptor is for which quality.
Answers one line of JSON. Whatever goes wrong in here, with a picture made to do harm too, ends
this process and nothing else.
"""

import contextlib
import io
import json
import os
import resource
import signal
import struct
import sys
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

MEMORY = 1 << 30
CPU_SECONDS = 60
MOST_WRITTEN = 16 << 20
MOST_PIXELS = 100_000_000
MOST_JPEG_PIXELS = 256_000_000
"""A JPEG is decoded at a fraction of its size where that is enough."""
QUALITY = 82
_MOST_PROFILE = 1 << 20
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF")
_SET_PARENT_DEATH_SIGNAL, _NO_NEW_PRIVILEGES = 1, 38
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_LANDLOCK_WITH_CONNECTIONS = 4
_EVERY_FILE, _EVERY_CONNECTION = (1 << 13) - 1, 3
_READING = 1 << 2 | 1 << 3
_ROTATED = frozenset({5, 6, 7, 8})


class RefusedError(Exception):
    """The picture cannot be used; the arguments are a word for the reason, and what it is about."""


def main() -> None:
    """Do the one task of this process."""
    _lock_up()
    task = json.loads(sys.argv[1])
    try:
        answer = _work(task["format"], task["outputs"])
    except RefusedError as refused:
        answer = {"refused": list(refused.args)}
    except MemoryError:
        answer = {"refused": ["too much"]}
    print(json.dumps(answer), flush=True)


def _lock_up() -> None:
    for kind, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, MOST_WRITTEN),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        resource.setrlimit(kind, (most, most))
    # What follows is good to have; the units in deploy/ forbid some of it.
    with contextlib.suppress(OSError):
        os.nice(10)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # where memory is short, this goes before the daemon
    from PIL import Image, ImageCms

    Image.init()  # and with it all libraries
    assert ImageCms
    with contextlib.suppress(OSError, AttributeError, MemoryError, ImportError):
        _shut_doors()


def _shut_doors() -> None:
    """End with the page; and where the kernel has Landlock, open no connection and no files.

    But those of Python and Pillow, which read some of themselves when it is needed first.
    """
    import ctypes

    import PIL

    libc = ctypes.CDLL(None)
    libc.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    newest = libc.syscall(_LANDLOCK_CREATE, None, 0, 1)
    if newest < 1:
        return
    rules = (ctypes.c_uint64 * 2)(_EVERY_FILE, _EVERY_CONNECTION)
    size = 8 if newest < _LANDLOCK_WITH_CONNECTIONS else 16
    ruleset = libc.syscall(_LANDLOCK_CREATE, rules, size, 0)
    if ruleset >= 0:
        for module in (os, PIL):
            folder = os.open(os.path.dirname(str(module.__file__)), os.O_RDONLY)
            below = ctypes.create_string_buffer(struct.pack("=Qi", _READING, folder))
            libc.syscall(_LANDLOCK_ADD, ruleset, 1, below, 0)
        libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0)


def _work(wanted: str, outputs: dict[str, dict[str, int]]) -> dict[str, Any]:
    from PIL import Image, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = None  # checked by `_check`, with a text of its own
    warnings.simplefilter("ignore")
    try:
        picture = Image.open(sys.stdin.buffer, formats=_FORMATS)
    except UnidentifiedImageError:
        raise RefusedError("unknown") from None
    except MemoryError:
        raise
    except Exception:
        raise RefusedError("damaged") from None
    _check(picture, wanted)
    try:
        return _render(picture, outputs)
    except MemoryError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # no room to write: not the picture's fault
        raise RefusedError("damaged") from None


def _check(picture: "Image", wanted: str) -> None:
    """That it is what its name says, and not too large, by what it says of itself."""
    found = {"MPO": "JPEG", "DIB": "BMP"}.get(picture.format or "", picture.format or "")
    pixels = picture.width * picture.height
    if pixels > (MOST_JPEG_PIXELS if found == "JPEG" else MOST_PIXELS):
        raise RefusedError("pixels", picture.width, picture.height)
    if not pixels:
        raise RefusedError("damaged")
    if found != wanted:
        raise RefusedError("ending", found)


def _render(picture: "Image", outputs: dict[str, dict[str, int]]) -> dict[str, Any]:
    turned = _orientation(picture)
    size = picture.size[::-1] if turned in _ROTATED else picture.size
    profile = picture.info.get("icc_profile")
    largest = max((max(each["width"], each["height"]) for each in outputs.values()), default=1)
    small = _upright(_shrunk(picture, (largest, largest)), turned)
    small, profile = _plain(small, profile)
    made = []
    for quality, each in outputs.items():
        one = small.copy()
        _fit(one, (each["width"], each["height"]))
        kind, content = _encoded(one, profile)
        _write(each["file"], content)
        made.append(
            {
                "quality": quality,
                "width": one.width,
                "height": one.height,
                "ending": kind,
                "size": len(content),
            }
        )
    return {"width": size[0], "height": size[1], "made": made}


def _orientation(picture: "Image") -> int:
    try:
        return int(picture.getexif().get(0x0112, 1))
    except MemoryError:
        raise
    except Exception:
        return 1  # what cameras write beside a picture is often wrong


def _shrunk(picture: "Image", box: tuple[int, int]) -> "Image":
    """All of it decoded, the first frame, in a mode that can be made smaller without harm."""
    picture.draft(None, (2 * box[0], 2 * box[1]))
    picture.load()
    if picture.mode in ("1", "P", "PA", "LA", "La", "RGBa"):
        clear = picture.mode not in ("1", "P") or "transparency" in picture.info
        picture = picture.convert("RGBA" if clear else "L" if picture.mode == "1" else "RGB")
    elif picture.mode.startswith(("I", "F")):
        picture = _eight_bits(picture)
    elif "transparency" in picture.info and picture.mode in ("L", "RGB"):
        picture = picture.convert("RGBA")
    _fit(picture, box)
    return picture


def _eight_bits(picture: "Image") -> "Image":
    """Shades of more than 8 bits in 8."""
    deep = picture.convert("F")
    _, high = deep.getextrema()
    most = float(high)  # type: ignore[arg-type]
    scale = 1.0 if most <= 255 else 255 / 65535 if most <= 65535 else 255 / most
    return deep.point(lambda shade: shade * scale + 0).convert("L")


def _fit(picture: "Image", box: tuple[int, int]) -> None:
    from PIL import Image

    picture.thumbnail(box, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _upright(picture: "Image", turned: int) -> "Image":
    from PIL.Image import Transpose

    ways = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return picture.transpose(ways[turned]) if turned in ways else picture


def _plain(picture: "Image", profile: bytes | None) -> tuple["Image", bytes | None]:
    """Grey, RGB or RGBA, and the colour profile that still holds; nothing else of what it said."""
    if profile is not None and len(profile) > _MOST_PROFILE:
        profile = None
    if picture.mode not in ("L", "RGB", "RGBA"):
        picture, profile = _in_srgb(picture, profile), None
    picture.info = {}
    return picture, profile


def _in_srgb(picture: "Image", profile: bytes | None) -> "Image":
    from PIL import ImageCms

    if profile:
        with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            target = ImageCms.createProfile("sRGB")
            done = ImageCms.profileToProfile(picture, source, target, outputMode="RGB")
            if done is not None:
                return done
    return picture.convert("RGB")


def _encoded(picture: "Image", profile: bytes | None) -> tuple[str, bytes]:
    """As JPEG, or where something is transparent as WebP, without where and when it was taken."""
    place = io.BytesIO()
    more: dict[str, Any] = {"icc_profile": profile} if profile else {}
    if picture.mode == "RGBA" and picture.getchannel("A").getextrema() != (255, 255):
        picture.save(place, "WEBP", quality=QUALITY, **more)
        return "webp", place.getvalue()
    if picture.mode == "RGBA":
        picture = picture.convert("RGB")
    picture.save(place, "JPEG", quality=QUALITY, optimize=True, progressive=True, **more)
    return "jpg", place.getvalue()


def _write(number: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(number, left) :]
    os.fsync(number)


if __name__ == "__main__":
    main()
