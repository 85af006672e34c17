"""Files of the page's own in the data directory: put there whole and durably, read line by line."""

import os
import secrets
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog

_T = TypeVar("_T")
_log = structlog.get_logger()


def write_secret(path: Path, content: bytes) -> None:
    """Put this into a file for this user alone, durably and as a whole."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    number = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(number)
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_json_lines(path: Path, kind: type[_T]) -> list[_T]:
    """What each line says; damaged lines are left out, and no file that can be read is none."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        _log.warning("not read", path=str(path), why=error.strerror)
        return []
    found = []
    for line in lines:
        try:
            found.append(msgspec.json.decode(line, type=kind))
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            continue
    return found
