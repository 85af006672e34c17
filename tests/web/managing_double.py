"""What an OperatorDouble answers about who may come in: logins of people, invites of machines."""

import os
import time

import msgspec

from protocol.messages import tracking
from protocol.messages.base import Done, Message
from protocol.messages.logins import LoginMinted, LoginRedeemed, MintLogin, RedeemLogin
from protocol.messages.operating import MachineView


class RefusalError(Exception):
    """Answered with Failed."""

    def __init__(self, kind: str, text: str, field: str = "") -> None:
        super().__init__(text)
        self.kind, self.text, self.field = kind, text, field


class ManagingDouble:
    """A daemon whose machine is an admin, unless `admin` is made False."""

    tokens: set[str]
    machines: tuple[MachineView, ...]

    def prepare_managing(self) -> None:
        """In place of an __init__, which the dataclass that inherits from this has."""
        self.people: dict[str, str] = {}
        """Whose each token is; the owner's are not here."""
        self.minted: list[MintLogin] = []
        self.admin = True
        self.elsewhere = ""
        self.invites: list[tracking.InviteSummary] = []
        self.revoked: list[str] = []
        self.zones: dict[str, str] = {}

    def _on_redeemlogin(self, ask: RedeemLogin) -> list[Message]:
        if ask.token not in self.tokens:
            raise RefusalError("refused", "this login address was used or never made")
        self.tokens.discard(ask.token)
        return [LoginRedeemed(call=ask.call, name=self.people.pop(ask.token, ""))]

    def _on_mintlogin(self, ask: MintLogin) -> list[Message]:
        self.minted.append(ask)
        token = f"token{len(self.minted)}"
        self.tokens.add(token)
        self.people[token] = ask.name
        path = f"/login?token={token}"
        there = self.elsewhere + path if self.elsewhere else ""
        return [LoginMinted(call=ask.call, url=f"http://127.0.0.1:1{path}", elsewhere=there)]

    def _managing(self) -> None:
        if not self.admin:
            why = "this machine is no admin; on the tracker's machine: twofold-tracker admin desk"
            raise RefusalError("refused", why)

    def _on_createinvite(self, ask: tracking.CreateInvite) -> list[Message]:
        self._managing()
        expires = int(time.time() + ask.expires) * 1000
        number = os.urandom(8).hex()
        self.invites.append(
            tracking.InviteSummary(id=number, zone=ask.zone, expires=expires, state="open")
        )
        text = f"twofold-invite-{os.urandom(80).hex()}"
        return [tracking.Invited(call=ask.call, invite=text, id=number, expires=expires)]

    def _on_getmembers(self, ask: tracking.GetMembers) -> list[Message]:
        self._managing()
        return [tracking.Members(call=ask.call, machines=(), invites=tuple(self.invites))]

    def _on_revoke(self, ask: tracking.Revoke) -> list[Message]:
        self._managing()
        self.revoked.append(ask.target)
        self.invites = [each for each in self.invites if each.id != ask.target]
        self.machines = tuple(each for each in self.machines if each.id != ask.target)
        return [tracking.Revoked(call=ask.call, what="member", name="", id=ask.target, roster=5)]

    def _on_setzone(self, ask: tracking.SetZone) -> list[Message]:
        self._managing()
        self.zones[ask.target] = ask.zone
        self.machines = tuple(
            msgspec.structs.replace(each, zone=ask.zone) if each.id == ask.target else each
            for each in self.machines
        )
        return [Done(call=ask.call)]
