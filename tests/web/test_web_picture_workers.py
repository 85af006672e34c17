"""Pictures in their cage: real worker processes, real files, some of which mean harm."""

import asyncio
import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from picture_files import bomb, drawn, opened, picture_of
from PIL import Image, ImageCms

from protocol.pictures import BOXES, QUALITIES, RenditionQuality
from web.picture_workers import Looked, PictureError, PictureWorkers

GPS = 0x8825


def make(
    place: Path, name: str, content: bytes, *, workers: PictureWorkers | None = None
) -> tuple[Looked, dict[RenditionQuality, bytes]]:
    """Look at a file of this name and make all there is to make."""
    source = place / name
    source.write_bytes(content)
    wanted = [(quality, place / f"{name}.{number}") for number, quality in enumerate(QUALITIES)]
    looked = asyncio.run((workers or PictureWorkers()).make(source, name, wanted))
    return looked, {quality: path.read_bytes() for quality, path in wanted}


def refused(place: Path, name: str, content: bytes) -> str:
    with pytest.raises(PictureError) as error:
        make(place, name, content)
    return str(error.value)


@pytest.mark.parametrize(
    ("size", "sizes"),
    [
        ((2000, 1500), [(1024, 768), (1024, 768), (786, 590), (124, 93)]),
        ((1500, 2000), [(768, 1024), (590, 786), (590, 786), (93, 124)]),
        ((900, 500), [(900, 500), (900, 500), (786, 437), (124, 69)]),
        ((50, 40), [(50, 40)] * 4),
        ((3000, 1), [(1024, 1), (1024, 1), (786, 1), (124, 1)]),
    ],
)
def test_each_is_fitted_and_nothing_enlarged(
    tmp_path: Path, size: tuple[int, int], sizes: list[tuple[int, int]]
) -> None:
    looked, files = make(tmp_path, "sea.jpg", picture_of(*size))
    assert (looked.width, looked.height) == size
    assert [made.quality for made in looked.made] == list(QUALITIES)
    for made, expected in zip(looked.made, sizes, strict=True):
        found = opened(files[made.quality])
        box = BOXES[made.quality]
        assert (made.width, made.height) == found.size
        assert abs(found.width - expected[0]) <= 1
        assert abs(found.height - expected[1]) <= 1
        assert found.width <= box[0]
        assert found.height <= box[1]
        assert made.size == len(files[made.quality])
        assert (found.format, made.ending) == ("JPEG", "jpg")


@pytest.mark.parametrize(
    ("name", "kind", "mode", "ending"),
    [
        ("a.png", "PNG", "RGB", "jpg"),
        ("a.png", "PNG", "RGBA", "jpg"),
        ("a.png", "PNG", "L", "jpg"),
        ("a.png", "PNG", "P", "jpg"),
        ("a.png", "PNG", "1", "jpg"),
        ("a.png", "PNG", "I;16", "jpg"),
        ("a.TIFF", "TIFF", "I;16", "jpg"),
        ("a.tif", "TIFF", "CMYK", "jpg"),
        ("a.tif", "TIFF", "F", "jpg"),
        ("a.tif", "TIFF", "LAB", "jpg"),
        ("a.JPG", "JPEG", "CMYK", "jpg"),
        ("a.jpeg", "JPEG", "L", "jpg"),
        ("a.webp", "WEBP", "RGB", "jpg"),
        ("a.gif", "GIF", "P", "jpg"),
        ("a.bmp", "BMP", "RGB", "jpg"),
        ("a.avif", "AVIF", "RGB", "jpg"),
    ],
)
def test_every_kind_and_mode(tmp_path: Path, name: str, kind: str, mode: str, ending: str) -> None:
    looked, files = make(tmp_path, name, picture_of(300, 200, kind, mode))
    assert (looked.width, looked.height) == (300, 200)
    assert looked.made[0].ending == ending
    shown = opened(files["low"]).convert("L")
    if mode != "LAB":  # what its shades mean is another matter
        assert shown.getpixel((10, 40)) < 80
        assert shown.getpixel((110, 40)) > 180


def test_what_is_transparent_stays_so(tmp_path: Path) -> None:
    clear = drawn(300, 200, "RGBA")
    clear.putalpha(Image.linear_gradient("L").resize((300, 200)))
    place = io.BytesIO()
    clear.save(place, "PNG")
    looked, files = make(tmp_path, "clear.png", place.getvalue())
    assert {made.ending for made in looked.made} == {"webp"}
    assert opened(files["low"]).mode == "RGBA"
    index = drawn(30, 20, "P")
    place = io.BytesIO()
    index.save(place, "GIF", transparency=index.getpixel((1, 1)))
    assert make(tmp_path, "clear.gif", place.getvalue())[0].made[0].ending == "webp"


def test_turned_as_the_camera_says_and_nothing_else_of_what_it_said(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "a camera"
    exif[GPS] = {1: "N", 2: (48.0, 8.0, 0.0)}
    content = picture_of(2000, 1000, exif=exif, comment=b"at home")
    looked, files = make(tmp_path, "tower.jpg", content)
    assert (looked.width, looked.height) == (1000, 2000)
    for quality in QUALITIES:
        found = opened(files[quality])
        assert not found.getexif()
        assert "comment" not in found.info
        assert found.width <= BOXES[quality][0]
        assert found.height <= BOXES[quality][1]
        # The dark half was on the left; turned by a quarter to the right it is above.
        middle = found.width // 2
        assert found.convert("L").getpixel((middle, 4)) < 80
        assert found.convert("L").getpixel((middle, found.height - 5)) > 180
    for broken in (b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff"):
        looked, _ = make(tmp_path, f"{len(broken)}.jpg", picture_of(40, 30, exif=broken))
        assert (looked.width, looked.height) == (40, 30)


def test_the_colour_profile_stays(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    _, files = make(tmp_path, "sea.jpg", picture_of(200, 100, icc_profile=profile))
    assert opened(files["high"]).info["icc_profile"] == profile
    # One that does not fit its picture is passed over.
    make(tmp_path, "cmyk.jpg", picture_of(200, 100, mode="CMYK", icc_profile=b"none" * 99))


def test_the_first_frame_of_what_moves(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (300, 200), colour) for colour in ("red", "lime", "blue")]
    place = io.BytesIO()
    frames[0].save(place, "GIF", save_all=True, append_images=frames[1:])
    _, files = make(tmp_path, "moving.gif", place.getvalue())
    red, green, _ = opened(files["low"]).convert("RGB").getpixel((9, 9))  # type: ignore[misc]
    assert red > 200
    assert green < 60


def test_the_same_picture_makes_the_same_bytes(tmp_path: Path) -> None:
    content = picture_of(700, 500)
    assert make(tmp_path, "a.jpg", content) == make(tmp_path, "b.jpg", content)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("bomb.png", bomb(50_000, 50_000), "50,000 x 50,000 pixels"),
        ("wide.png", bomb(1 << 30, 1 << 30), "pixels large|damaged"),
        ("cut.jpg", picture_of(900, 700)[:3000], "cut off or damaged"),
        ("cut.png", picture_of(900, 700, "PNG", compress_level=0)[:9000], "cut off or damaged"),
        ("cut.webp", picture_of(900, 700, "WEBP", lossless=True)[:-40], "damaged|no picture"),
        ("photo.jpg", picture_of(90, 70, "PNG"), "it is a PNG picture.*Rename it to photo.png"),
        ("photo.png", picture_of(90, 70), "it is a JPEG picture.*Rename it to photo.jpg"),
        ("notes.jpg", b"no picture at all", "no picture of a kind that is known"),
        ("empty.gif", b"", "no picture of a kind that is known"),
        ("page.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no picture of a kind"),
        ("print.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no picture of a"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_used_is_told_with_the_reason(
    tmp_path: Path, name: str, content: bytes, why: str
) -> None:
    said = refused(tmp_path, name, content)
    assert re.search(why, said), said


def test_random_damage_never_gets_out(tmp_path: Path) -> None:
    whole = {"a.jpg": picture_of(90, 70), "a.png": picture_of(90, 70, "PNG", "P")}
    for seed, (name, content) in enumerate(whole.items()):
        place = tmp_path / str(seed)
        place.mkdir()
        bad = bytearray(content)
        for at in range(20, len(bad), 7):
            bad[at] ^= 0x55
        with contextlib.suppress(PictureError):
            make(place, name, bytes(bad))


def test_one_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="takes too long"):
        make(tmp_path, "a.jpg", picture_of(90, 70), workers=PictureWorkers(seconds=0))


def test_the_largest_that_is_taken_fits_in_its_memory(tmp_path: Path) -> None:
    looked, _ = make(tmp_path, "large.png", picture_of(10_000, 9_900, "PNG", "RGBA"))
    assert looked.width == 10_000


def test_the_limits_hold() -> None:
    program = (
        "import os, ctypes, socket; from web.picture_worker import _lock_up; _lock_up()\n"
        "for work in (lambda: bytearray(1 << 30), lambda: bytearray(1 << 20)):\n"
        "    try: work(); print('done')\n"
        "    except MemoryError: print('no memory')\n"
        "print(os.nice(0) >= 10)\n"
        "if ctypes.CDLL(None).syscall(444, None, 0, 1) >= 4:\n"
        "    for work in (lambda: open('/etc/passwd'), lambda: os.listdir('/'),\n"
        "        lambda: socket.create_connection(('127.0.0.1', 9))):\n"
        "        try: work(); print('open')\n"
        "        except PermissionError: pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["no", "memory", "done", "True"]


def test_a_worker_gets_nothing_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment, its place and its descriptors, told by a program in its stead."""
    told = tmp_path / "told"
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n(env; pwd; ls -l /proc/self/fd) > {told}\necho '{{}}'\n")
    program.chmod(0o700)
    monkeypatch.setattr("sys.executable", str(program))
    monkeypatch.setenv("SECRET_OF_THE_PAGE", "do not tell")
    held = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(PictureError, match="could not be opened here"):
        make(tmp_path, "a.jpg", picture_of(9, 7))
    os.close(held)
    said = told.read_text()
    assert "SECRET" not in said
    assert "\n/\n" in said
    assert f"{tmp_path}\n" not in said
