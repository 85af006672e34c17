"""Reading a command line and running what it asks for."""

from cyclopts import CycloptsError

from peer.cli import (
    deletion_commands,
    drop_command,
    edit_command,
    entry_commands,
    health_command,
    limit_command,
    machine_commands,
    member_commands,
    push_command,
    rules_command,
    scrub_command,
    settings_command,
    standing_commands,
    transfers_command,
)
from peer.cli.app import app
from peer.cli.endings import ended
from peer.cli.output import Printer

__all__ = [
    "app",
    "deletion_commands",
    "drop_command",
    "edit_command",
    "entry_commands",
    "health_command",
    "limit_command",
    "machine_commands",
    "member_commands",
    "push_command",
    "rules_command",
    "run_command",
    "scrub_command",
    "settings_command",
    "standing_commands",
    "transfers_command",
]


def run_command(arguments: list[str]) -> int:
    """Run one command; its exit code."""
    return ended(
        lambda: app(arguments, exit_on_error=False, print_error=False),
        Printer(as_json="--json" in arguments),
        wrong_usage=CycloptsError,
    )
