"""The command that shows and changes what may be uploaded to this machine's page. Thin."""

from typing import Any

import msgspec

from peer.cli.app import COMMON, Common, app, fields_of
from peer.cli.daemon_client import ask_daemon
from peer.cli.output import Printer, shown
from peer.limits.rates import NONE, rate_text
from peer.upload_rules import largest_of, resolution_of, types_of
from protocol.messages.upload_rules import ChangeUploadRules, GetUploadRules, UploadRules
from protocol.upload_rules import resolution_text, types_text

_ANY = "any"


@app.command
def rules(
    *,
    types: str | None = None,
    largest: str | None = None,
    quota: str | None = None,
    least: str | None = None,
    embed: bool | None = None,
    common: Common = COMMON,
) -> None:
    """Show what may be uploaded to this machine's page, or change it: at once, in settings.toml.

    Parameters
    ----------
    types
        The types that are taken, with commas: kinds (image, video, audio, document, archive) and
        endings, like image,.pdf; any for all.
    largest
        The largest file or folder, like 50GB; none for no limit.
    quota
        How much each person who was let in may have here at once, like 20GB; none for no limit.
    least
        The least resolution of pictures, like 1024x786; none for any.
    embed
        Whether pages of other sites may show the smaller versions of pictures, without a login.
    """
    change: dict[str, Any] = {}
    if types is not None:
        wanted = [each for each in types.split(",") if each.strip()]
        change["types"] = () if types.strip() == _ANY else types_of(wanted)
    if largest is not None:
        change["largest"] = None if largest == NONE else largest_of(largest)
    if quota is not None:
        change["quota"] = None if quota == NONE else largest_of(quota)
    if least is not None:
        change["least"] = None if least == NONE else resolution_of(least)
    if embed is not None:
        change["embed"] = embed
    said = ask_daemon(common.path, lambda call: GetUploadRules(call=call), UploadRules)
    if change:
        new = msgspec.structs.replace(said.rules, **change)
        said = ask_daemon(
            common.path, lambda call: ChangeUploadRules(call=call, rules=new), UploadRules
        )
    printer = common.printer()
    _show(printer, said)
    printer.result(fields_of(said))


def _show(printer: Printer, said: UploadRules) -> None:
    if printer.as_json:
        return
    now = said.rules
    print(f"types: {shown(types_text(now.types)) if now.types else _ANY}")
    print(f"largest: {rate_text(now.largest)}")
    print(f"quota of each person let in: {rate_text(now.quota)}")
    print(f"least resolution of pictures: {resolution_text(now.least) if now.least else NONE}")
    print(f"smaller versions of pictures in pages of other sites: {'yes' if now.embed else 'no'}")
    print(f"set in {said.file}")
