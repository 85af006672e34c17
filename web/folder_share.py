"""What a folder on its way in may still take: no more than was said when it was begun.

That much room is promised to it, and to nobody else.
"""

import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from web.answers import AnswerError
from web.upload_records import UploadRecord
from web.upload_state import Upload, no_upload


def check_open(folder: UploadRecord) -> None:
    """AnswerError when all of it is here."""
    if folder.complete:
        raise AnswerError(409, "conflict", f"“{folder.name}” is complete already.")


def check_all_here(folder: Upload) -> None:
    """AnswerError when some of it has not come, or it was given up meanwhile."""
    record = folder.record
    if folder.gone:
        raise no_upload()
    if folder.received != record.files or record.offset != record.size:
        text = (
            f"{folder.received} of the {record.files} files of “{record.name}” are here, "
            f"{record.offset} of {record.size} bytes. Send the others first."
        )
        raise AnswerError(409, "conflict", text)


def check_share(folder: Upload, tree: Path, coming: Mapping[str, int]) -> None:
    """AnswerError when files of these paths and sizes are too many, or too much, for it."""
    record, files, size = folder.record, folder.received, folder.record.offset
    for path, length in coming.items():
        before = _size_of(tree / path)
        files += before is None
        size += length - (before or 0)
    if files > record.files or size > record.size:
        text = (
            f"“{record.name}” was said to have {record.files} files of {record.size} bytes; "
            "this would be more. Begin it again."
        )
        raise AnswerError(413, "too_large", text)


def _size_of(path: Path) -> int | None:
    with suppress(FileNotFoundError, NotADirectoryError):
        found = path.lstat()
        return found.st_size if stat.S_ISREG(found.st_mode) else None
    return None
