"""One-time logins to a machine's page, as an operator and its daemon speak of them."""

from typing import Annotated

from msgspec import Meta

from protocol.messages.base import Reply, Request

PersonName = Annotated[str, Meta(max_length=64)]
"""Whose login it is; "" for the machine's owner."""


class MintLogin(Request, frozen=True, kw_only=True, tag=True):
    """Ask for a one-time login URL of this machine's page, good for so many seconds."""

    name: PersonName = ""
    seconds: Annotated[int, Meta(ge=60, le=7 * 86_400)] = 600


class LoginMinted(Reply, frozen=True, kw_only=True, tag=True):
    """Good for one use within that time, of the daemon's life."""

    url: str
    elsewhere: str = ""
    """The same for other devices, "" when the page listens for this machine only."""


class RedeemLogin(Request, frozen=True, kw_only=True, tag=True):
    """The page asks whether a one-time token is good; LoginRedeemed, or Failed("refused")."""

    token: Annotated[str, Meta(max_length=128)]


class LoginRedeemed(Reply, frozen=True, kw_only=True, tag=True):
    """The token was good and is used up now; whose it was."""

    name: PersonName
