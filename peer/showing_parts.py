"""The parts that show operators how it stands, made for `peer.parts` of what is there already."""

from typing import TYPE_CHECKING

from peer.operator.limiting import Limiting
from peer.operator.linking import Linking
from peer.operator.setting import Setting
from peer.operator.sharing import SharesViewer

if TYPE_CHECKING:
    from peer.parts import Parts


def make_limiting(parts: "Parts") -> Limiting:
    """What shows and changes the limits."""
    return Limiting(parts.limits, parts.rosters)


def make_setting(parts: "Parts") -> Setting:
    """What shows and changes the other settings."""
    return Setting(parts.limits)


def make_shares(parts: "Parts") -> SharesViewer:
    """What tells which paths are shared."""
    return SharesViewer(parts.me, parts.contents, parts.catalogue, parts.notices, parts.handing_on)


def make_linking(parts: "Parts") -> Linking:
    """What tells whom pieces come from and go to."""
    return Linking(parts.links, parts.downloads, parts.traffic, parts.limits, parts.catalogue)
