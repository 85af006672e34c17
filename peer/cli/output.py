"""What the commands print: text for people, one JSON object a line for programs, and the log.

Results go to standard output; errors, progress and the log to standard error. Names that others
chose are shown with their control characters made harmless.
"""

import json
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Literal

import msgspec

from peer.cli.pace import Pace
from peer.words import bytes_text, duration_text
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

    def qr_code(self, text: str) -> None:
        """The text, and as a code to photograph; on a terminal only, and nothing for ""."""
        if self.as_json or not text or not sys.stdout.isatty():
            return
        import segno  # not for every command

        print(f"from another device: {text}")
        segno.make(text, error="l").terminal(out=sys.stdout, compact=True)
        sys.stdout.flush()

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
            printer.finish()
        finally:
            printer.close()


class ProgressPrinter:
    """A bar on a terminal, JSON lines for programs, a plain line every 10 s otherwise."""

    def __init__(self, printer: Printer) -> None:
        self._printer = printer
        self._started = self._last = time.monotonic()
        self._newest: Progress | None = None
        self._pace = Pace()
        self._bar = None
        self._lines = 0
        if not printer.as_json and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as Bar
            from rich.table import Column

            self._bar = Bar(
                TextColumn("{task.fields[stage]}", markup=False, table_column=Column(no_wrap=True)),
                BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=4)),
                TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
                console=Console(stderr=True),
                transient=True,
                expand=True,
            )
            self._bar.start()
            self._task = self._bar.add_task("", total=None, stage="starting")

    def show(self, progress: Progress) -> None:
        """Take one message."""
        now = time.monotonic()
        if self._newest is not None and self._newest.stage != progress.stage:
            self._pace = Pace()
        self._newest = progress
        self._pace.note(progress.done, progress.total, now)
        if self._bar is not None:
            self._draw(progress)
            return
        if now - self._last < (JSON_EVERY if self._printer.as_json else PLAIN_EVERY):
            return
        self._last = now
        if self._printer.as_json:
            fields = msgspec.structs.asdict(progress)
            fields.pop("call")
            self._printer.line("progress", fields)
        else:
            self._print_line(progress)

    def finish(self) -> None:
        """All is done: the last message may have come a moment before that."""
        if self._newest is None or self._printer.as_json:
            return
        whole = msgspec.structs.replace(self._newest, done=self._newest.total)
        if self._bar is not None:
            self._draw(whole)
        elif self._lines:
            self._print_line(whole)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()

    def _draw(self, progress: Progress) -> None:
        assert self._bar is not None
        self._bar.update(
            self._task,
            description=progress_text(progress, self._pace),
            completed=min(progress.done, progress.total),
            total=progress.total or None,
            stage=progress.stage,
        )

    def _print_line(self, progress: Progress) -> None:
        self._lines += 1
        seconds = time.monotonic() - self._started
        text = progress_text(progress, self._pace)
        print(f"{progress.stage}: {text}, after {seconds:.0f} s", file=sys.stderr, flush=True)


def progress_text(progress: Progress, pace: Pace) -> str:
    """How far, how fast, how long yet, and what else there is to tell; only what is known."""
    facts = [f"{percent(progress.done, progress.total)}%"]
    rate = pace.rate
    if progress.stage not in ("replicating", "dropping"):  # those count pieces and machines
        facts[0] += f" of {bytes_text(progress.total)}"
        if rate is not None:
            facts.append(f"{bytes_text(rate)}/s")
    if progress.done >= progress.total:
        if progress.stage in ("leaving", "dropping"):  # what it waits for now is not bytes
            facts.append(shown(progress.text))
        return ", ".join(facts)
    if pace.left is not None:
        facts.append(f"{duration_text(pace.left)} left")
    if progress.text:
        facts.append("1 source" if progress.text == "1 sources" else shown(progress.text))
    return ", ".join(facts)


def percent(done: int, total: int) -> int:
    """A whole number; 100 only when all is done."""
    return 100 if done >= total else min(99, 100 * done // total)


def shown(name: str) -> str:
    """A name or other text safe to print on a terminal, on one line."""
    return "".join(char if char.isprintable() else "\ufffd" for char in name)


def start_log(level: LogLevel) -> None:
    """Log from this level on, to standard error."""
    import logging  # heavy both, and most commands have no log

    import structlog

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


def log_trace(event: str, *, bug: bool) -> None:
    """Put the exception under way in the log, if one was started."""
    if "structlog" in sys.modules:
        import structlog

        if structlog.is_configured():
            structlog.get_logger().log(40 if bug else 10, event, exc_info=True)
