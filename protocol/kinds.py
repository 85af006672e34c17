"""What a file is by its name's ending: the one table that searches and pages go by. Pure.

The tracker keeps what it found here for each entry: a change of the table needs a migration that
does so again.
"""

from typing import Literal, get_args

ContentKind = Literal["folder", "image", "video", "audio", "document", "archive", "other"]
"""What an entry is: a folder, or a file of some kind."""
KindWanted = Literal["file", "folder", "image", "video", "audio", "document", "archive"]
"""What can be searched for; "file" is everything but folders."""
KINDS_WANTED: tuple[str, ...] = get_args(KindWanted)

_ENDINGS: dict[ContentKind, str] = {
    "image": "apng avif bmp cr2 cr3 dng gif heic heif ico jfif jpe jpeg jpg jxl nef orf png psd raf"
    " raw rw2 svg tga tif tiff webp xcf",
    "video": "3gp avi flv m2ts m4v mkv mov mp4 mpeg mpg mts ogv ts vob webm wmv",
    "audio": "aac aif aiff alac amr ape flac m4a m4b mid midi mka mp3 oga ogg opus wav wma",
    "document": "azw3 csv doc docx epub fb2 htm html key log md mobi numbers odp ods odt pages pdf"
    " ppt pptx ps rst rtf tex tsv txt xls xlsx",
    "archive": "7z apk br bz2 cab cpio deb dmg gz iso jar lz lz4 lzma rar rpm tar tbz2 tgz txz xz"
    " zip zst",
}
_KIND_OF = {ending: kind for kind, endings in _ENDINGS.items() for ending in endings.split()}


def content_kind(kind: Literal["file", "folder"], name: str) -> ContentKind:
    """What an entry of this kind and name is."""
    if kind == "folder":
        return "folder"
    stem, dot, ending = name.rpartition(".")
    return _KIND_OF.get(ending.casefold(), "other") if dot and stem else "other"


def endings_of(kind: ContentKind) -> tuple[str, ...]:
    """The endings that names of this kind have, without their dot."""
    return tuple(_ENDINGS.get(kind, "").split())


def is_wanted(kind: ContentKind, wanted: KindWanted) -> bool:
    """Whether somebody who searches for `wanted` wants what is of this kind."""
    return kind != "folder" if wanted == "file" else kind == wanted
