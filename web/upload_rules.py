"""What may be uploaded here, by what the owner has set: asked of the daemon, told, changed.

GET and PUT /api/v1/upload-rules. Whatever is set holds for the next upload that is begun.
"""

import aiohttp.web
from msgspec import Struct

from protocol.messages.upload_rules import (
    ChangeUploadRules,
    GetUploadRules,
    Rules,
    UploadRules,
)
from protocol.upload_rules import endings_allowed
from web.answers import AnswerError, json_answer
from web.asking import read_json
from web.daemon import Daemon
from web.people import PERSON, require_owner
from web.routes import Route

_SECONDS = 5.0


class RulesSet(Struct, frozen=True):
    """The rules; `endings` are those of the types, if any; `file` is "" but for the owner."""

    rules: Rules
    file: str
    endings: tuple[str, ...]


class UploadRuleBook:
    """The rules as they are now; while the daemon is away, as they were last."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._known = Rules()

    def routes(self) -> list[Route]:
        """To see and to set them."""
        path = "/api/v1/upload-rules"
        return [
            Route("GET", path, self._tell, "What may be uploaded here.", {200: RulesSet}),
            Route(
                "PUT",
                path,
                self._change,
                "Set what may be uploaded here; what is left out does not hold any more.",
                {200: RulesSet},
                body=Rules,
            ),
        ]

    async def now(self) -> Rules:
        """What holds."""
        try:
            said = await self._daemon.ask(GetUploadRules(call=0), UploadRules, within=_SECONDS)
        except AnswerError:
            return self._known
        self._known = said.rules
        return said.rules

    async def _tell(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        said = await self._daemon.ask(GetUploadRules(call=0), UploadRules)
        return self._answer(request, said)

    async def _change(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        require_owner(request)
        rules = await read_json(request, Rules)
        said = await self._daemon.ask(ChangeUploadRules(call=0, rules=rules), UploadRules)
        return self._answer(request, said)

    def _answer(self, request: aiohttp.web.Request, said: UploadRules) -> aiohttp.web.Response:
        return json_answer(
            RulesSet(
                rules=said.rules,
                file="" if request[PERSON] else said.file,
                endings=endings_allowed(said.rules.types),
            )
        )
