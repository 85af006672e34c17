"""The command line's root, and what every command takes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from peer.cli.output import LogLevel, Printer, start_log
from peer.data_dir import default_data_dir
from peer.version import VERSION

app = App(
    name="twofold",
    help="Share files inside a group, every piece kept on two of the group's own machines.",
    help_epilogue=(
        "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 not reachable, 5 refused, "
        "6 not all is safe (only `health`)."
    ),
    version=VERSION,
    result_action="return_value",
)


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """What every command takes."""

    data: Annotated[Path | None, Parameter(env_var="TWOFOLD_DATA")] = None
    """The data directory."""
    json: Annotated[bool, Parameter(negative="")] = False
    """Print JSON, one object a line, ending with a result or an error."""
    log_level: LogLevel | None = None
    """What to log on standard error."""

    @property
    def path(self) -> Path:
        """The data directory, absolute."""
        return (self.data or default_data_dir()).absolute()

    def printer(self, level: LogLevel | None = None) -> Printer:
        """Make the printer, and start the log if this command has one, or it was asked for."""
        chosen = self.log_level or level
        if chosen is not None:
            start_log(chosen)
        return Printer(as_json=self.json)


COMMON = Common()


def fields_of(reply: msgspec.Struct) -> dict[str, object]:
    """A reply as programs get it."""
    fields: dict[str, object] = msgspec.to_builtins(reply)
    fields.pop("call", None)
    fields.pop("type", None)
    return fields
