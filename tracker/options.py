"""What every command of `twofold-tracker` takes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tracker.data_dir import DataDir, default_data_dir
from tracker.database_place import given_place
from tracker.output import LogLevel, Printer, start_log


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

    def open(self) -> tuple[DataDir, Printer]:
        """Start the log, and find directory and printer."""
        start_log(self.log_level)
        root = self.data or default_data_dir()
        return DataDir(root, given_place(root, self.database)), Printer(as_json=self.json)
