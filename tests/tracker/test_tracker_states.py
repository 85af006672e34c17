"""Members that drain, leave and come back, other capacities and zones, and the rosters of that."""

from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text
from tracker_support import NOW, Swarm, admit

from protocol.errors import RefusedError
from protocol.identity import Identity
from protocol.messages.base import Done, Failed
from protocol.messages.shared import GetMachines, RosterDocument
from protocol.messages.tracking import (
    ChangeCapacity,
    ChangeState,
    GetMembers,
    Present,
    SetZone,
)
from protocol.roster import MemberState, Roster, check_not_revoked
from tracker import members, swarm
from tracker.data_dir import SwarmKeys
from tracker.database import Database, open_database
from tracker.errors import RequestFailedError

MIGRATIONS = Path(swarm.__file__).parent / "migrations"
Made = tuple[Database, SwarmKeys]


def change(made: Made, who: Identity, state: MemberState, roster: int = 0) -> Roster | None:
    database, keys = made
    stored = database.write_now(
        lambda c: members.set_state(c, keys.signing, who.peer, state, roster)
    )
    return stored.roster if stored else None


def test_a_draining_member_stays_in_the_ring_and_a_leaving_one_does_not(made: Made) -> None:
    nas, _ = admit(*made, "nas")
    admit(*made, "laptop")
    draining = change(made, nas, "draining")
    assert draining is not None
    assert [m.name for m in draining.storing()] == ["laptop", "nas"]
    assert len(draining.ring().members) == 2
    assert change(made, nas, "draining") is None
    leaving = change(made, nas, "leaving")
    assert leaving is not None
    assert leaving.number == draining.number + 1
    assert [m.name for m in leaving.storing()] == ["laptop"]
    assert [m.peer for m in leaving.ring().members] == [leaving.storing()[0].peer]
    assert [m.name for m in leaving.peers()] == ["laptop", "nas"]
    back = change(made, nas, "active")
    assert back is not None
    assert len(back.ring().members) == 2


def test_who_has_left_is_outside_until_it_joins_again(made: Made) -> None:
    database, keys = made
    nas, first = admit(database, keys, "nas")
    leaving = change(made, nas, "leaving")
    assert leaving is not None
    left = change(made, nas, "left", leaving.number)
    assert left is not None
    assert left.outside() == {nas.peer}
    assert left.peers() == ()
    with pytest.raises(RefusedError, match="nas has left the swarm; it may join again"):
        check_not_revoked(left, first.member)
    with pytest.raises(RequestFailedError, match="this machine has left the swarm"):
        change(made, nas, "active")
    with pytest.raises(RequestFailedError, match="nas has left the swarm already"):
        database.write_now(lambda c: members.revoke(c, keys.signing, "nas", 0, NOW))
    # Its name is free, and it itself may come back.
    assert admit(database, keys, "nas")[1].member.name == "nas"
    _, again = admit(database, keys, "nas", nas)
    assert again.member.name == "nas-2"
    assert again.roster.roster.outside() == frozenset()


def test_nobody_leaves_by_an_old_roster_or_at_once(made: Made) -> None:
    nas, _ = admit(*made, "nas")
    laptop, admitted = admit(*made, "laptop")
    with pytest.raises(RequestFailedError, match="must be leaving before"):
        change(made, nas, "left", admitted.roster.number)
    leaving = change(made, nas, "leaving")
    assert leaving is not None
    # The machine it counted on goes at the same moment.
    other = change(made, laptop, "leaving")
    assert other is not None
    with pytest.raises(RequestFailedError, match="look again"):
        change(made, nas, "left", leaving.number)
    assert change(made, nas, "left", other.number) is not None


def test_a_zone_is_set_by_name_or_id(made: Made) -> None:
    database, keys = made
    nas, first = admit(database, keys, "nas")

    def zone(target: str, label: str) -> swarm.StoredRoster | None:
        return database.write_now(lambda c: members.set_zone(c, keys.signing, target, label))

    set_ = zone("nas", "attic")
    assert set_ is not None
    assert set_.number == first.roster.number + 1
    assert set_.roster.members[0].zone == "attic"
    assert zone(nas.peer.hex()[:8], "attic") is None
    none = zone(nas.peer.hex()[:8], " ")
    assert none is not None
    assert none.roster.members[0].zone == ""
    with pytest.raises(RequestFailedError, match="no member is called 'nus'") as missing:
        zone("nus", "attic")
    assert missing.value.kind == "not_found"
    database.write_now(lambda c: members.revoke(c, keys.signing, "nas", 0, NOW))
    with pytest.raises(RequestFailedError, match="no member"):
        zone("nas", "cellar")


@pytest.mark.trio
async def test_a_member_changes_what_the_roster_says_of_it(club: Swarm) -> None:
    nas, other = club.admit("nas"), await club.present(club.admit("laptop"))
    talk = await club.present(nas)
    assert isinstance(await talk.ask(ChangeCapacity, capacity=70), Done)
    assert isinstance(await talk.ask(ChangeState, state="draining", roster=0), Done)
    await other.told(RosterDocument)
    await other.told(RosterDocument)
    listed = club.roster(other).find(nas.peer)
    assert listed is not None
    assert (listed.capacity, listed.state) == (70, "draining")
    # It says so again whenever it presents itself; the state stays.
    again = await club.present(nas, capacity=70)
    assert isinstance(await again.ask(GetMachines), object)
    assert club.tracker.roster.roster.find(nas.peer) == listed
    operator = await club.operate()
    shown = {row[1]: row[3] for row in (await operator.ask(GetMembers)).machines}
    assert shown == {"nas": "draining", "laptop": "live"}
    assert isinstance(await operator.ask(SetZone, target="nas", zone="attic"), Done)
    await other.told(RosterDocument)
    assert [m.zone for m in club.roster(other).peers()] == ["", "attic"]


@pytest.mark.trio
async def test_who_leaves_hears_the_answer_and_is_let_in_no_more(club: Swarm) -> None:
    nas, other = club.admit("nas"), await club.present(club.admit("laptop"))
    talk = await club.present(nas)
    assert isinstance(await talk.ask(ChangeState, state="leaving", roster=0), Done)
    old = await talk.ask(ChangeState, state="left", roster=1)
    assert isinstance(old, Failed)
    assert "look again" in old.text
    number = club.tracker.roster.number
    assert isinstance(await talk.ask(ChangeState, state="left", roster=number), Done)
    await other.told(RosterDocument)
    await other.told(RosterDocument)
    assert club.roster(other).outside() == {nas.peer}
    assert nas.peer not in club.tracker.states()
    refused = await talk.ask(Present, addresses=(), capacity=1, stored=0, digest=bytes(32), seen=0)
    assert isinstance(refused, Failed)
    assert refused.kind == "refused"
    assert [m.name for m in (await other.ask(GetMachines)).machines] == ["laptop"]
    again = await club.member(nas)
    with pytest.raises(RefusedError, match="has left the swarm"):
        await again.channel.receive()


def test_the_states_of_an_older_database_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with create_engine(f"sqlite:///{path}").begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for number in range(2):
            row = {"key": bytes([number]) * 32, "name": f"m{number}", "revoked": number}
            connection.execute(
                text(
                    "INSERT INTO members VALUES (:key, :key, :name, '', 1, 1, :revoked, '', 0, 0)"
                ),
                row,
            )
    database = open_database(path)
    assert [m.state for m in database.read_now(members.list_members)] == ["active", "revoked"]
    database.close()
