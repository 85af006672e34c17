"""The command that tells whom pieces come from, and whom they go to. Thin."""

from msgspec import structs

from peer.cli.app import COMMON, Common, app
from peer.cli.daemon_client import DaemonClient, connect
from peer.cli.output import Printer, percent, shown
from peer.cli.status_text import transfer_text
from peer.errors import NotFoundError
from peer.words import bytes_text
from protocol.messages.linking import (
    GetLinks,
    GetSources,
    LinkedMachines,
    LinkView,
    Sources,
    SourceView,
)
from protocol.messages.operating import GetStatus, Status, TransferView


@app.command
def transfers(*, common: Common = COMMON) -> None:
    """Show what comes from which machine, and what goes to which."""
    printer = common.printer()
    client = connect(common.path)
    try:
        running = client.ask(lambda call: GetStatus(call=call), Status).transfers
        coming = [(each, _sources(client, each)) for each in running]
        going = _going(client)
    finally:
        client.close()
    if not common.json:
        _show(printer, coming, going)
    printer.result(
        {
            "transfers": [
                structs.asdict(each)
                | {"pieces": told.pieces, "sources": [structs.asdict(s) for s in told.sources]}
                for each, told in coming
            ],
            "takers": [structs.asdict(link) for link in going],
        }
    )


def _sources(client: DaemonClient, transfer: TransferView) -> Sources:
    try:
        return client.ask(lambda call: GetSources(call=call, transfer=transfer.id), Sources)
    except NotFoundError:  # it ended meanwhile
        return Sources(call=0, transfer=transfer.id, pieces=0, sources=())


def _going(client: DaemonClient) -> list[LinkView]:
    """The machines that fetch from this one."""
    links = client.ask(lambda call: GetLinks(call=call), LinkedMachines).links
    return [link for link in links if link.fetching or link.asks]


def _show(
    printer: Printer,
    coming: list[tuple[TransferView, Sources]],
    going: list[LinkView],
) -> None:
    for each, told in coming:
        print(transfer_text(each))
        printer.table(
            ("FROM", "ADDRESS", "STATE", "RATE", "HAS", "ASKED", "RECEIVED"),
            [_source_row(source, told.pieces) for source in told.sources],
        )
    if going:
        printer.table(
            ("TO", "ADDRESS", "RATE", "WAITING", "SENT", "FETCHES"),
            [_taker_row(link) for link in going],
        )
    if not coming and not going:
        print("nothing is on its way")


def _source_row(source: SourceView, pieces: int) -> tuple[str, ...]:
    return (
        shown(source.name),
        _address(source.address, near=source.near),
        source.state,
        f"{bytes_text(source.rate)}/s",
        f"{percent(source.pieces, pieces)}%",
        str(source.asked),
        bytes_text(source.received),
    )


def _taker_row(link: LinkView) -> tuple[str, ...]:
    return (
        shown(link.name),
        _address(link.address, near=link.near),
        f"{bytes_text(link.rate)}/s",
        str(link.asks),
        bytes_text(link.sent),
        ", ".join(map(shown, link.fetches)),
    )


def _address(address: str, *, near: bool) -> str:
    return f"{address or 'unknown'}{' (this network)' if near else ''}"
