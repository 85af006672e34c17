"""What the commands print: text for people, one JSON document for programs, and the log.

Results go to standard output, everything else to standard error. Secrets are only printed as the
result that was asked for.
"""

import json
import logging
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal

import segno
import structlog
from rich.console import Console
from rich.table import Table
from rich.text import Text
from structlog.typing import Processor

LogLevel = Literal["debug", "info", "warning", "error"]
_WIDE = 10_000


class Printer:
    """Prints one command's result, or why there is none."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def result(self, fields: dict[str, object], text: str) -> None:
        """The end of a command that did what it should."""
        if self.as_json:
            self.line({"type": "result", **fields})
        elif text:
            print(text, flush=True)

    def error(self, text: str, code: int) -> int:
        """The end of a command that did not; gives back its exit code."""
        one_line = " ".join(text.split())
        if self.as_json:
            self.line({"type": "error", "error": one_line, "code": code})
        else:
            print(f"error: {one_line}", file=sys.stderr, flush=True)
        return code

    def line(self, document: dict[str, object]) -> None:
        """One JSON document on a line of its own."""
        print(json.dumps(document, ensure_ascii=False), flush=True)

    def table(self, title: str, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
        """Rows for a person; names that others chose are shown as they are, never as markup."""
        if self.as_json:
            return
        console = Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False)
        table = Table(title=title, title_justify="left", box=None, pad_edge=False)
        for column in columns:
            table.add_column(column, no_wrap=True)
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        console.print(table)

    def qr_code(self, text: str) -> None:
        """The text as a code to photograph, on a terminal only."""
        if not self.as_json and sys.stdout.isatty():
            # Upper case is read as well, and makes a much smaller code.
            segno.make(text.upper(), error="l").terminal(out=sys.stdout, compact=True)


def moment(milliseconds: int) -> str:
    """A time of day for a person, in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def start_log(level: LogLevel, *, as_json: bool = False) -> None:
    """Log from this level on, to standard error: lines for people, or JSON documents."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *(_JSON if as_json else [_for_people()]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


_JSON: list[Processor] = [
    structlog.processors.format_exc_info,
    structlog.processors.JSONRenderer(ensure_ascii=False),
]


def _for_people() -> Processor:
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
