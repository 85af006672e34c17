"""Which files and folders are shared from where they lie, as the machine's owner is shown them."""

from peer.catalogue import Catalogue
from peer.notices import Notices
from peer.operator.fitting import fit
from peer.store.contents import Content, Contents
from peer.swarm.handing_on import HandingOn
from protocol.entry import Entry, open_record_untrusted
from protocol.ids import AuthorKey, ManifestId, PeerId
from protocol.messages.settings import GetShares, Shares, ShareState, ShareView
from protocol.signing import Signed

AT_ONCE = 100


class SharesViewer:
    """Reads what is held; changes nothing."""

    def __init__(
        self,
        me: PeerId,
        contents: Contents,
        catalogue: Catalogue,
        notices: Notices,
        handing_on: HandingOn,
    ) -> None:
        self._me = me
        self._contents = contents
        self._catalogue = catalogue
        self._notices = notices
        self._handing_on = handing_on

    async def answer(self, request: GetShares) -> Shares:
        """A page of them."""
        found = sorted(
            (str(content.path), content)
            for content in self._contents.all()
            if content.path is not None
        )
        page = found[request.start : request.start + AT_ONCE]
        named = await self._catalogue.naming_each([content.id for _, content in page])
        views = [self._view(path, content, named) for path, content in page]
        return fit(
            lambda n: Shares(call=request.call, shares=tuple(views[:n]), total=len(found)),
            len(views),
        )

    def _view(
        self, path: str, content: Content, named: dict[ManifestId, list[Signed]]
    ) -> ShareView:
        entries = [_entry(signed) for signed in named[content.id]]
        # What this machine added itself says best what is shared here.
        entries.sort(key=lambda entry: entry.author != AuthorKey(self._me))
        entry = entries[0] if entries else None
        return ShareView(
            path=path,
            entry=entry.id.hex() if entry else "",
            name=entry.name if entry else "",
            kind=entry.kind if entry else "file",
            size=content.size,
            own=entry is not None and entry.author == AuthorKey(self._me),
            state=self._state(content),
            notice=self._notices.about(content.id),
        )

    def _state(self, content: Content) -> ShareState:
        if self._handing_on.is_unwanted(content.id):
            return "leaving"
        return "shared" if content.complete else "partly"


def _entry(signed: Signed) -> Entry:
    record = open_record_untrusted(signed)
    assert isinstance(record, Entry), "only live entries name a manifest"
    return record
