"""What the commands of `twofold-tracker` share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

from cyclopts import Parameter

from protocol.durations import parse_duration
from protocol.errors import InvalidTextError, ProtocolError
from protocol.messages.base import Reply, Request
from tracker.data_dir import DataDir, default_data_dir
from tracker.database_place import given_place
from tracker.errors import UsageError
from tracker.operator_client import ask
from tracker.output import LogLevel, Printer, start_log

_R = TypeVar("_R", bound=Reply)


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """What every command takes."""

    data: Annotated[Path | None, Parameter(env_var="TWOFOLD_DATA")] = None
    """The data directory."""
    database: str | None = None
    """Where the database is, if not where `init` was told: postgresql://USER@HOST/NAME without a
    password, or sqlite: for a file in the data directory. With a password in the environment:
    TWOFOLD_DATABASE."""
    json: Annotated[bool, Parameter(negative="")] = False
    """Print one JSON document instead of text."""
    log_level: LogLevel = "info"
    """What to log on standard error."""
    log_json: Annotated[bool, Parameter(negative="")] = False
    """Log one JSON document a line."""

    def open(self) -> tuple[DataDir, Printer]:
        """Start the log, and find directory and printer."""
        start_log(self.log_level, as_json=self.log_json)
        root = self.data or default_data_dir()
        return DataDir(root, given_place(root, self.database)), Printer(as_json=self.json)


COMMON = Common()


def asked(directory: DataDir, request: Request, kind: type[_R]) -> _R:
    """The reply to an operator's request; RequestFailedError when it was not done."""
    reply = ask(directory, request)
    if not isinstance(reply, kind):
        raise ProtocolError(f"the tracker answered with {type(reply).__name__}")
    return reply


def seconds_in(text: str) -> int:
    """The seconds of a duration as people write it."""
    try:
        return parse_duration(text)
    except InvalidTextError as error:
        raise UsageError(str(error)) from None
