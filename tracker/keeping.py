"""The commands that keep a swarm: `backup`, `restore`, and `migrate` to the other engine."""

import getpass
import os
import sys
from contextlib import closing
from pathlib import Path

from protocol.ids import SwarmKey
from tracker import swarm
from tracker.backup import restore_backup, write_backup
from tracker.command import COMMON, Common
from tracker.copying import copy_database
from tracker.database import open_database
from tracker.database_place import Place, parse_flag, parse_place, shown
from tracker.errors import DataDirectoryError, UsageError

PASSPHRASE = "TWOFOLD_PASSPHRASE"
MIGRATE_TO = "TWOFOLD_MIGRATE_TO"
_SHORTEST = 8


def backup(file: Path, /, *, passphrase_file: Path | None = None, common: Common = COMMON) -> None:
    """Write the swarm's keys and the whole database to a file, also while the tracker runs.

    The passphrase is read from a file, from the environment (TWOFOLD_PASSPHRASE), or asked for.

    Parameters
    ----------
    file
        The file, which must not be there yet.
    passphrase_file
        A file whose first line is the passphrase.
    """
    directory, printer = common.open()
    passphrase = _passphrase(passphrase_file, twice=True)
    rows = write_backup(directory, file, passphrase)
    fields: dict[str, object] = {"file": str(file), "bytes": file.stat().st_size, "rows": rows}
    printer.result(fields, f"{file} has the keys of the swarm and {sum(rows.values())} rows")


def restore(file: Path, /, *, passphrase_file: Path | None = None, common: Common = COMMON) -> None:
    """Make a tracker from a backup, in a data directory and database that have none.

    Parameters
    ----------
    file
        What `backup` has written.
    passphrase_file
        A file whose first line is the passphrase.
    """
    directory, printer = common.open()
    if not file.is_file():
        raise UsageError(f"there is no file {file}")
    directory.create()
    with directory.locked():
        rows = restore_backup(directory, file, lambda: _passphrase(passphrase_file, twice=False))
    fields: dict[str, object] = {"data": str(directory.root), "rows": rows}
    printer.result(fields, f"the swarm is in {directory.root}: {sum(rows.values())} rows")


def migrate(*, to: str | None = None, common: Common = COMMON) -> None:
    """Copy everything to another database, and use that from then on; the tracker must be stopped.

    Parameters
    ----------
    to
        Where to: postgresql://USER@HOST/NAME without a password, or sqlite: for a file in the data
        directory. With a password in the environment: TWOFOLD_MIGRATE_TO.
    """
    directory, printer = common.open()
    target_place = _target(directory.root, to)
    directory.check_made()
    with directory.locked():
        source_place, keys = directory.place(), directory.load_swarm_keys()
        if source_place == target_place:
            raise UsageError("the database is there already")
        rows = _copy(source_place, target_place, keys.public)
        directory.keep_place(target_place)
        if isinstance(source_place, Path):
            # Were it to stay, a tracker that is told to use SQLite would take up what is old.
            source_place.replace(source_place.with_name(source_place.name + ".migrated"))
    where = shown(target_place)
    fields: dict[str, object] = {"database": where, "rows": rows}
    printer.result(fields, f"{sum(rows.values())} rows are in {where}, which is used from now on")


def _copy(source_place: Place, target_place: Place, key: SwarmKey) -> dict[str, int]:
    with closing(open_database(source_place)) as source:
        source.read_now(lambda connection: swarm.check_swarm(connection, key))
        with closing(open_database(target_place)) as target:
            return copy_database(source, target)


def _target(root: Path, flag: str | None) -> Place:
    if flag is not None:
        return parse_flag(root, flag, "--to", MIGRATE_TO)
    text = os.environ.get(MIGRATE_TO, "")
    if not text:
        raise UsageError(f"say where to with --to URL, or with a password in {MIGRATE_TO}")
    return parse_place(root, text, MIGRATE_TO)


def _passphrase(file: Path | None, *, twice: bool) -> str:
    if file is not None:
        try:
            found = file.read_text().split("\n", 1)[0]
        except (OSError, UnicodeDecodeError):
            raise DataDirectoryError(f"cannot read {file}") from None
    else:
        found = os.environ.get(PASSPHRASE, "") or _asked(twice=twice)
    if len(found) < _SHORTEST:
        raise UsageError(f"a passphrase has at least {_SHORTEST} characters")
    return found


def _asked(*, twice: bool) -> str:
    if not sys.stdin.isatty():
        raise UsageError(f"say the passphrase with --passphrase-file or in {PASSPHRASE}")
    found = getpass.getpass("Passphrase: ")
    if twice and getpass.getpass("The same again: ") != found:
        raise UsageError("these are not the same")
    return found
