"""Showing and changing the rules for uploads, as operators ask for it."""

from msgspec import structs

from peer.errors import UsageError
from peer.limits.limit_book import LimitBook
from peer.settings import Settings
from peer.upload_rules import edit_upload_rules
from protocol.errors import InvalidTextError
from protocol.messages.upload_rules import (
    ChangeUploadRules,
    GetUploadRules,
    Rules,
    UploadRules,
)
from protocol.upload_rules import tidy_types


class UploadRuling:
    """Answers for the settings; whoever takes uploads keeps to the rules."""

    def __init__(self, book: LimitBook) -> None:
        self._book = book

    async def answer(self, request: GetUploadRules | ChangeUploadRules) -> UploadRules:
        """The rules as they are then. UsageError for those that make no sense."""
        if isinstance(request, ChangeUploadRules):
            await self._change(request.rules)
        file = str(self._book.file.path)
        return UploadRules(call=request.call, rules=self._book.settings.uploads, file=file)

    async def _change(self, rules: Rules) -> None:
        try:
            tidy = structs.replace(rules, types=tidy_types(rules.types))
        except InvalidTextError as error:
            raise UsageError(str(error)) from None

        def decide(settings: Settings) -> Settings:
            return structs.replace(settings, uploads=tidy)

        await self._book.edit(decide, lambda document: edit_upload_rules(document, tidy))
