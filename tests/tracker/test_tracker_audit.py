"""The audit log: who let machines in and out, and deleted; paged, and never too long."""

import pytest
from sqlalchemy import func, select
from tracker_support import (
    NOW,
    Swarm,
    entry_of,
    join_request,
    manifest_of,
    new_token,
    signed,
    tombstone_of,
)

from protocol import codec
from protocol.identity import generate_identity
from protocol.messages.base import Failed
from protocol.messages.deleting import SetAdmin
from protocol.messages.tending import AUDIT_PAGE, AuditLine, AuditLog, GetAudit
from protocol.messages.tracking import ChangeState, Join, Publish, Revoke
from tracker import audit, tables
from tracker.audit import Actor
from tracker.data_dir import SwarmKeys
from tracker.database import Database


async def lines_of(club: Swarm) -> list[AuditLine]:
    reply = await (await club.operate()).ask(GetAudit, since=0)
    assert isinstance(reply, AuditLog)
    return list(reply.lines)


@pytest.mark.trio
async def test_joins_revocations_and_deletions_are_noted(club: Swarm) -> None:
    machine = generate_identity()
    joiner = await club.joiner(machine)
    await joiner.ask(Join, **join_request(machine, joiner, new_token(club.database)))
    boss, author = club.admit("boss"), club.admit("author")
    operator = await club.operate()
    await operator.ask(SetAdmin, target="boss", admin=True)
    talk, entry = await club.present(author), entry_of(manifest_of(2), author)
    await talk.ask(Publish, record=signed(entry, author))
    await talk.ask(Publish, record=signed(tombstone_of(entry), author))
    await talk.ask(ChangeState, state="draining", roster=club.tracker.roster.number)
    await (await club.present(boss)).ask(Revoke, target="author")
    found = sorted((each.act, each.who, each.what, each.note) for each in await lines_of(club))
    assert found == [
        ("admin", "operator", "boss", "made an admin"),
        ("deleted", "author", f"holiday film.mp4 ({entry.id.hex()[:12]})", ""),
        ("joined", "laptop", "member laptop", machine.peer.hex()[:12]),
        ("revoked", "boss", "member author", author.peer.hex()[:12]),
        ("state", "author", "member author", "draining"),
    ]
    assert {each.moment for each in await lines_of(club)} == {NOW}


@pytest.mark.trio
async def test_what_is_not_done_is_not_noted(club: Swarm) -> None:
    operator = await club.operate()
    assert isinstance(await operator.ask(Revoke, target="nobody"), Failed)
    assert await lines_of(club) == []
    assert isinstance(await operator.ask(GetAudit, since=0, cursor=b"x"), Failed)


def test_a_long_log_comes_in_pages_each_line_once(made: tuple[Database, SwarmKeys]) -> None:
    database, _ = made
    for number in range(2 * AUDIT_PAGE + 7):
        # Many within one millisecond.
        database.write_now(
            lambda c, n=number: audit.note(c, Actor("a"), "deleted", f"{n}", NOW + n // 50)
        )
    seen: list[AuditLine] = []
    cursor, pages = b"", 0
    while cursor or not pages:
        request = GetAudit(call=1, since=NOW + 1, cursor=cursor)
        page = database.read_now(lambda c, r=request: audit.page(c, r))
        seen, cursor, pages = [*seen, *page.lines], page.cursor, pages + 1
    assert pages == 2
    assert sorted(int(each.what) for each in seen) == list(range(50, 2 * AUDIT_PAGE + 7))
    assert [each.moment for each in seen] == sorted(each.moment for each in seen)


def test_a_page_fits_a_message(made: tuple[Database, SwarmKeys]) -> None:
    database, _ = made
    wide = "\U0001f600" * 255
    for _ in range(AUDIT_PAGE):
        database.write_now(lambda c: audit.note(c, Actor(wide, wide), "admin", wide, NOW, wide))
    lines, cursor = 0, b""
    while cursor or not lines:
        request = GetAudit(call=1, since=0, cursor=cursor)
        page = database.read_now(lambda c, r=request: audit.page(c, r))
        assert len(codec.encode_control(page)) <= codec.MAX_CONTROL
        lines, cursor = lines + len(page.lines), page.cursor
    assert lines == AUDIT_PAGE


def test_the_log_stays_within_its_bound(
    made: tuple[Database, SwarmKeys], monkeypatch: pytest.MonkeyPatch
) -> None:
    database, _ = made
    monkeypatch.setattr(audit, "_LOOK", 256)  # so each line looks
    monkeypatch.setattr(audit, "MOST", 20)
    for number in range(50):
        database.write_now(lambda c, n=number: audit.note(c, Actor("a"), "admin", f"{n}", NOW + n))
    counted = select(func.count(), func.min(tables.audit.c.moment))
    assert tuple(database.read_now(lambda c: c.execute(counted).one())) == (20, NOW + 30)


def test_long_names_are_cut(made: tuple[Database, SwarmKeys]) -> None:
    database, _ = made
    actor = Actor("n" * 255, "h" * 300)
    database.write_now(lambda c: audit.note(c, actor, "deleted", "x" * 999, NOW, "y" * 999))
    (line,) = database.read_now(lambda c: audit.page(c, GetAudit(call=1, since=0))).lines
    assert len(line.who) == len(line.host) == len(line.what) == len(line.note) == 200
