"""Uploads by tus 1.0 (https://tus.io): begin, send, ask how far, give up.

Metadata: `name`, or in a folder `folder` (its id) and `path`; also `modified` (milliseconds since
1970), `caption`, `tags` (by commas) and `executable` ("1").
"""

import secrets
from collections.abc import Awaitable, Callable

import aiohttp.web

from web.activity import note
from web.answers import AnswerError, error_answer, invalid
from web.people import PERSON
from web.quotas import Quotas
from web.receiving import PART_LENGTH, Receiving
from web.routes import Raw, Route
from web.tus_headers import (
    ALGORITHMS,
    BODY_TYPE,
    CHECKSUM_MISMATCH,
    EXTENSIONS,
    VERSION,
    http_date,
    parse_checksum,
    parse_length,
    parse_metadata,
)
from web.upload_book import UploadBook
from web.upload_limits import MAX_SIZE, check_about, check_rules, checked_name, checked_path
from web.upload_records import UploadRecord, now_ms
from web.upload_rules import UploadRuleBook
from web.upload_state import Upload

UPLOADS = "/api/v1/uploads"
UPLOAD = UPLOADS + "/{id:[0-9a-f]{32}}"
_ERRORS = (408, 409, 411, 412, 413, 415, 423, CHECKSUM_MISMATCH, 507)
_OUT_OF_STEP = (409, 423)
"""A sender that does not see these answers finds the same out by asking again."""
_OTHER_METHODS = frozenset({"PATCH", "DELETE", "HEAD"})
_Handler = Callable[[aiohttp.web.Request], Awaitable[aiohttp.web.Response]]


class Uploads:
    """The routes of the protocol."""

    def __init__(
        self, book: UploadBook, receiving: Receiving, rules: UploadRuleBook, quotas: Quotas
    ) -> None:
        self._rules = rules
        self._quotas = quotas
        self._book = book
        self._receiving = receiving

    def routes(self) -> list[Route]:
        """All of them."""
        tus = {"Tus-Resumable": "The version of tus that is spoken: 1.0.0."}
        sent = tus | {"Upload-Checksum": "A hash of the body, as in `sha256 BASE64`."}
        begun = sent | {
            "Upload-Length": "How many bytes there are in all.",
            "Upload-Metadata": "name, or folder and path; modified, caption, tags, executable.",
        }
        work = _speaking_tus
        options, begin = "What of tus 1.0 is spoken here.", "Begin an upload by tus 1.0."
        return [
            Route("OPTIONS", UPLOADS, self._options, options, {204: None}),
            Route("OPTIONS", UPLOAD, self._options, options, {204: None}),
            Route(
                "POST",
                UPLOADS,
                work(self._create),
                begin,
                {201: None},
                headers=begun,
                errors=(400, 404, *_ERRORS),
            ),
            Route(
                "HEAD",
                UPLOAD,
                work(self._head),
                "How much of an upload is here, durably.",
                {200: None},
                headers=tus,
                errors=(412, 423),
            ),
            Route(
                "PATCH",
                UPLOAD,
                work(self._patch),
                "Send more of an upload.",
                {204: None},
                headers=sent | {"Upload-Offset": "Where in it the body begins."},
                body=Raw(BODY_TYPE),
                errors=_ERRORS,
            ),
            Route(
                "DELETE",
                UPLOAD,
                work(self._delete),
                "Give an upload up.",
                {204: None},
                headers=tus,
                errors=(409, 412, 423),
            ),
            Route(
                "POST",
                UPLOAD,
                work(self._other_method),
                "The same for who can send nothing but GET and POST.",
                {200: None, 204: None},
                headers=sent
                | {
                    "Upload-Offset": "Where in it the body begins.",
                    "X-HTTP-Method-Override": "PATCH, DELETE or HEAD.",
                },
                errors=(405, *_ERRORS),
            ),
        ]

    async def _options(self, _request: aiohttp.web.Request) -> aiohttp.web.Response:
        headers = {
            "Tus-Resumable": VERSION,
            "Tus-Version": VERSION,
            "Tus-Extension": EXTENSIONS,
            "Tus-Checksum-Algorithm": ALGORITHMS,
            "Tus-Max-Size": str(MAX_SIZE),
        }
        return aiohttp.web.Response(status=204, headers=headers)

    async def _create(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        length = request.content_length
        checksum = parse_checksum(request.headers.get("Upload-Checksum"))
        if length is None and request.body_exists:
            raise _length_required()
        if length:
            _check_body(request)
        record = self._describe(request)
        rules = await self._rules.now()
        check_rules(record.path or record.name, record.size, rules)
        if not record.folder:
            await self._quotas.check(record, rules.quota)
        if (length or 0) > record.size:
            raise AnswerError(413, "too_large", "The body is longer than Upload-Length.")
        upload = await self._book.begin(record)
        if length or not record.size:
            await self._receiving.receive(upload, request.content, length or 0, checksum)
        else:
            await self._book.save(upload)
        _note_end(request, upload)
        headers = self._headers(upload) | {"Location": f"{UPLOADS}/{record.id}"}
        return aiohttp.web.Response(status=201, headers=headers)

    def _describe(self, request: aiohttp.web.Request) -> UploadRecord:
        """What is to be uploaded; checked now, before the first byte is taken."""
        if "Upload-Defer-Length" in request.headers:
            raise invalid("Say how long it is, as Upload-Length: it cannot be deferred here.")
        if "Upload-Concat" in request.headers:
            raise invalid("Send it as one upload: parts cannot be put together here.")
        size = parse_length(request.headers.get("Upload-Length"), "Upload-Length")
        metadata = request.headers.get("Upload-Metadata", "")
        said = parse_metadata(metadata)
        folder, path = said.get("folder", ""), said.get("path", "")
        if folder:
            path = checked_path(path, self._book.spool.tree(self._book.folder(folder).record.id))
        record = UploadRecord(
            id=secrets.token_hex(16),
            kind="file",
            name=checked_name(said.get("name") or path.rpartition("/")[2]),
            size=min(size, 1 << 48),
            last=now_ms(),
            modified=_moment(said.get("modified")),
            caption=said.get("caption", ""),
            tags=tags_of(said.get("tags", "").split(",")),
            folder=folder,
            path=path if folder else "",
            executable=said.get("executable") == "1",
            metadata=metadata,
            person=request[PERSON],
        )
        check_about(record.caption, record.tags)
        return record

    async def _head(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        upload = self._find(request)
        await self._receiving.settle(upload)
        headers = self._headers(upload) | {"Upload-Length": str(upload.record.size)}
        if upload.record.metadata:
            headers["Upload-Metadata"] = upload.record.metadata
        return aiohttp.web.Response(headers=headers)

    async def _patch(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        _check_body(request)
        offset = parse_length(request.headers.get("Upload-Offset"), "Upload-Offset")
        checksum = parse_checksum(request.headers.get("Upload-Checksum"))
        if request.content_length is None:
            raise _length_required()
        upload = self._find(request)
        await self._receiving.settle(upload)
        if offset != upload.record.offset:
            text = f"The next byte to send is {upload.record.offset}, not {offset}."
            raise AnswerError(409, "conflict", text)
        if not upload.record.complete:
            length = request.content_length
            await self._receiving.receive(upload, request.content, length, checksum)
            _note_end(request, upload)
        elif request.content_length:
            raise AnswerError(413, "too_large", "All of it is here already.")
        return aiohttp.web.Response(status=204, headers=self._headers(upload))

    async def _delete(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        await self._book.drop(self._find(request))
        return aiohttp.web.Response(status=204)

    async def _other_method(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        """For those who can send nothing but GET and POST. Only POST: it has been checked as one
        that changes something.
        """
        method = request.headers.get("X-HTTP-Method-Override", "")
        if method not in _OTHER_METHODS:
            raise AnswerError(405, "invalid", "This address does not take that method.")
        work = {"PATCH": self._patch, "DELETE": self._delete, "HEAD": self._head}[method]
        return await work(request)

    def _find(self, request: aiohttp.web.Request) -> Upload:
        upload = self._book.find(request.match_info["id"])
        if upload.record.kind != "file":
            raise invalid("This is a folder: send its files, then finish it.")
        return upload

    def _headers(self, upload: Upload) -> dict[str, str]:
        headers = {"Upload-Offset": str(upload.record.offset)}
        if not upload.record.complete:
            headers["Upload-Expires"] = http_date(self._book.expires(upload))
        return headers


def _note_end(request: aiohttp.web.Request, upload: Upload) -> None:
    """A file that is here in full was uploaded by who sent its end; folders are noted as such."""
    if upload.record.complete and not upload.record.folder:
        note(request, "upload", text=upload.record.name)


def tags_of(tags: list[str]) -> tuple[str, ...]:
    """Each once, without those that say nothing."""
    return tuple(dict.fromkeys(tag.strip() for tag in tags if tag.strip()))


def _speaking_tus(work: _Handler) -> _Handler:
    """Refuse other versions; say ours in every answer, good or bad."""

    async def answer(request: aiohttp.web.Request) -> aiohttp.web.Response:
        try:
            if request.headers.get("Tus-Resumable") != VERSION:
                text = f"Uploads are sent by tus {VERSION}: say so with Tus-Resumable."
                raise AnswerError(412, "invalid", text)
            response = await work(request)
        except AnswerError as error:
            response = error_answer(request.path, error)
            if error.status == CHECKSUM_MISMATCH:
                response.set_status(CHECKSUM_MISMATCH, "Checksum Mismatch")
            response.headers["Tus-Version"] = VERSION
            if error.status in _OUT_OF_STEP and (request.content_length or 0) > PART_LENGTH:
                await _cut_short(request, response)
        response.headers["Tus-Resumable"] = VERSION
        return response

    return answer


async def _cut_short(request: aiohttp.web.Request, response: aiohttp.web.Response) -> None:
    """Answer and hang up: browsers read no answer before they have sent all, which may be much."""
    response.headers["Tus-Resumable"] = VERSION
    response.force_close()
    await response.prepare(request)
    await response.write_eof()
    request.protocol.force_close()


def _check_body(request: aiohttp.web.Request) -> None:
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise AnswerError(415, "invalid", "Send the file as it is, without Content-Encoding.")
    if request.content_type != BODY_TYPE:
        raise AnswerError(415, "invalid", f"Send the bytes with Content-Type: {BODY_TYPE}.")


def _length_required() -> AnswerError:
    return AnswerError(411, "invalid", "Send the length of the body as Content-Length.")


def _moment(text: str | None) -> int | None:
    if not text:
        return None
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 15):
        raise invalid("“modified” in Upload-Metadata must be milliseconds since 1970.")
    return int(text)
