"""The command `beside`: one more tracker of a swarm, on the PostgreSQL that others run on."""

from contextlib import closing

from sqlalchemy import URL

from protocol.address import Address
from protocol.errors import InvalidTextError
from tracker import swarm
from tracker.command import COMMON, Common
from tracker.database import connect_database
from tracker.database_place import shown
from tracker.errors import DataDirectoryError, UsageError


def beside(*, public: str, common: Common = COMMON) -> None:
    """Set up one more tracker beside those that run on a PostgreSQL database.

    First put swarm.key and identity.key of one of them into the data directory, mode 600.

    Parameters
    ----------
    public
        HOST:PORT under which machines reach this very tracker.
    """
    directory, printer = common.open()
    try:
        address = Address.parse(public)
    except InvalidTextError as error:
        raise UsageError(str(error)) from None
    if address.port == 0:
        raise UsageError("--public needs the port that other machines connect to, not 0")
    directory.check_keys()
    place = directory.place()
    if not isinstance(place, URL):
        raise UsageError("say with --database which PostgreSQL the other trackers use")
    with directory.locked():
        keys = directory.load_swarm_keys()
        directory.make_identity()
        with closing(connect_database(place)) as database:
            database.read_now(lambda connection: swarm.check_swarm(connection, keys.public))
            found = database.read_now(lambda c: swarm.load_roster(c, keys.public)).roster
        if str(address) in found.trackers and directory.public() != (str(address),):
            raise DataDirectoryError(f"another tracker is at {address} already")
        directory.keep_public((str(address),))
        directory.keep_place(place)
    fields: dict[str, object] = {"swarm": found.name, "data": str(directory.root)}
    told = f"{directory.root} has one more tracker of {found.name}, on {shown(place)}: run it"
    printer.result(fields, told)
