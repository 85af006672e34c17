"""What the commands print: text for people, one JSON object a line for programs, and the log.

Results go to standard output; errors, progress and the log to standard error. Names that others
chose are shown with their control characters made harmless.
"""

import json
import logging
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Literal

import msgspec
import structlog

from protocol.messages.operating import Progress

LogLevel = Literal["debug", "info", "warning", "error"]
PLAIN_EVERY = 10.0
JSON_EVERY = 0.5


class Printer:
    """Prints one command's progress, and its result or why there is none."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def result(self, fields: dict[str, object], text: str = "") -> None:
        """The end of a command that did what it should."""
        if self.as_json:
            self.line("result", fields)
        elif text:
            print(text, flush=True)

    def error(self, text: str, code: int) -> int:
        """The end of a command that did not; gives back its exit code."""
        one_line = " ".join(text.split())
        if self.as_json:
            self.line("error", {"error": one_line, "code": code})
        else:
            print(f"error: {one_line}", file=sys.stderr, flush=True)
        return code

    def line(self, kind: str, fields: dict[str, object]) -> None:
        """One JSON object on a line of its own."""
        print(json.dumps({"type": kind, **fields}, ensure_ascii=False), flush=True)

    def table(self, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
        """Rows for a person; nothing for a program."""
        if self.as_json:
            return
        from rich.console import Console  # heavy, and a daemon never prints a table
        from rich.table import Table
        from rich.text import Text

        console = Console(width=None if sys.stdout.isatty() else 10_000, highlight=False)
        table = Table(box=None, pad_edge=False)
        for column in columns:
            table.add_column(column, no_wrap=not sys.stdout.isatty())
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        console.print(table)

    @contextmanager
    def progress(self) -> Iterator["ProgressPrinter"]:
        """Show Progress messages as they come, in the way that suits where output goes."""
        printer = ProgressPrinter(self)
        try:
            yield printer
        finally:
            printer.close()


class ProgressPrinter:
    """A bar on a terminal, JSON lines for programs, a plain line every 10 s otherwise."""

    def __init__(self, printer: Printer) -> None:
        self._printer = printer
        self._started = self._last = time.monotonic()
        self._bar = None
        if not printer.as_json and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                DownloadColumn,
                TextColumn,
                TimeRemainingColumn,
                TransferSpeedColumn,
            )
            from rich.progress import Progress as Bar

            self._bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                DownloadColumn(),
                TransferSpeedColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task("starting", total=None)
            self._stage = ""

    def show(self, progress: Progress) -> None:
        """Take one message."""
        if self._bar is not None:
            if progress.stage != self._stage:
                self._bar.reset(self._task)
                self._stage = progress.stage
            self._bar.update(
                self._task,
                description=progress.text or progress.stage,
                completed=progress.done,
                total=progress.total or None,
            )
            return
        now = time.monotonic()
        if now - self._last < (JSON_EVERY if self._printer.as_json else PLAIN_EVERY):
            return
        self._last = now
        if self._printer.as_json:
            fields = msgspec.structs.asdict(progress)
            fields.pop("call")
            self._printer.line("progress", fields)
        else:
            share = 100 * progress.done // max(1, progress.total)
            seconds = now - self._started
            text = f"{progress.stage}: {share}% after {seconds:.0f} s {progress.text}".rstrip()
            print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()


def shown(name: str) -> str:
    """A name or other text safe to print on a terminal, on one line."""
    return "".join(char if char.isprintable() else "\ufffd" for char in name)


def bytes_text(size: float) -> str:
    """A number of bytes for a person."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def start_log(level: LogLevel) -> None:
    """Log from this level on, to standard error."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
