"""Who gets in: invites wrong, expired, used and revoked; and a member that is thrown out."""

from pathlib import Path

import pytest
from processes import Answer
from swarm import Peer, Swarm, write_random

pytestmark = pytest.mark.swarm


def try_to_join(swarm: Swarm, invite: str, name: str = "newcomer") -> Answer:
    """Join with an invite, on a fresh machine."""
    peer = Peer(name, swarm.root / name)
    answer = swarm.cli(peer, "join", "-", "--name", name, text=invite + "\n")
    if answer.code != 0:
        assert answer.result["type"] == "error"
        assert answer.result["code"] == answer.code
        assert swarm.cli(peer, "run", "--listen", "127.0.0.1:0").code == 5  # not in a swarm
    return answer


def mistype(invite: str) -> str:
    """The same with one character in the middle changed."""
    middle = len(invite) // 2
    other = "b" if invite[middle] == "a" else "a"
    return invite[:middle] + other + invite[middle + 1 :]


def test_a_text_that_is_no_invite(swarm: Swarm) -> None:
    invite = swarm.invite()
    for wrong in (
        "hello",
        "",
        "twofold-invite-",
        "twofold-link-aaaa",
        mistype(invite),
        invite[:-1],
    ):
        answer = try_to_join(swarm, wrong)
        assert answer.code == 2, str(answer)
    assert "mistyped" in try_to_join(swarm, mistype(invite)).result["error"]
    assert try_to_join(swarm, invite.upper()).code == 0  # none of that has used it up


def test_an_invite_that_is_not_good_any_more(swarm: Swarm) -> None:
    expiring = swarm.tracker_ok("invite", "--expires", "1s")
    used, revoked = swarm.tracker_ok("invite"), swarm.tracker_ok("invite")
    assert try_to_join(swarm, used["invite"], "first").code == 0
    assert swarm.tracker_ok("revoke", revoked["id"])["what"] == "invite"

    def states() -> dict[str, str]:
        return {each["id"]: each["state"] for each in swarm.tracker_ok("members")["invites"]}

    swarm.wait_until(lambda: states()[expiring["id"]] == "expired", "the invite is expired")
    assert states() == {expiring["id"]: "expired", used["id"]: "used", revoked["id"]: "revoked"}
    for invite, word in ((expiring, "expired"), (used, "used"), (revoked, "revoked")):
        answer = try_to_join(swarm, invite["invite"])
        assert answer.code == 5, str(answer)
        assert word in answer.result["error"]


def test_no_tracker_to_join_at(swarm: Swarm) -> None:
    invite = swarm.invite()
    assert swarm.tracker is not None
    swarm.tracker.kill9()
    answer = try_to_join(swarm, invite)
    assert answer.code == 4, str(answer)
    swarm.start_tracker()
    assert try_to_join(swarm, invite).code == 0


def test_a_machine_joins_one_swarm_once(swarm: Swarm) -> None:
    invite = swarm.invite()
    assert try_to_join(swarm, swarm.invite(), "same").code == 0
    again = swarm.cli(Peer("same", swarm.root / "same"), "join", "-", text=invite)
    assert again.code == 1
    assert "joined a swarm already" in again.result["error"]
    taken = try_to_join(swarm, invite, "other")
    assert taken.code == 0  # the second attempt has not used it up


def test_a_revoked_member_is_cut_off_for_good(swarm: Swarm, tmp_path: Path) -> None:
    a, b, out = swarm.add_peers("a", "b", "out", capacity={"out": "0"})
    kept = swarm.ok(a, "add", str(write_random(tmp_path / "kept", 5_000_000)), "--wait")
    later = swarm.ok(a, "add", str(write_random(tmp_path / "later", 5_000_000)), "--wait")
    assert len(swarm.ok(out, "ls")["entries"]) == 2  # so it knows of what it does not have
    swarm.ok(out, "get", kept["id"], "-o", str(tmp_path / "fetched"))
    assert "out" in swarm.holders(b, kept["id"])

    revoked = swarm.tracker_ok("revoke", "out")
    assert (revoked["what"], revoked["name"]) == ("member", "out")
    for peer in (a, b):
        swarm.wait_until(
            lambda peer=peer: swarm.ok(peer, "status")["swarm"]["members"] == 2, "the new roster"
        )
    _is_outside(swarm, out, later["id"], tmp_path / "never")
    assert "out" not in [each["name"] for each in swarm.ok(a, "peers")["peers"]]
    assert swarm.copies(a, kept["id"]) == (2, 2)
    members = {each["name"]: each["state"] for each in swarm.tracker_ok("members")["members"]}
    assert members["out"] == "revoked"

    swarm.stop(out)
    swarm.start(out, connected=False)
    _is_outside(swarm, out, later["id"], tmp_path / "never")
    assert swarm.ok(a, "status")["swarm"]["members"] == 2


def _is_outside(swarm: Swarm, out: Peer, entry: str, path: Path) -> None:
    """The tracker does not let it in, and no peer gives it anything."""

    def tracker_state() -> str:
        answer = swarm.cli(out, "status")
        return str(answer.result["tracker"]["state"]) if answer.code == 0 else "no daemon"

    swarm.wait_until(lambda: tracker_state() == "unreachable", "the tracker has cut it off")
    assert swarm.cli(out, "status", "--wait", "2").code == 4
    fetched = swarm.cli(out, "get", entry, "-o", str(path))
    assert fetched.code in (4, 5), str(fetched)
    assert not path.exists()


def test_an_admins_machine_invites_and_revokes(swarm: Swarm) -> None:
    boss, other = swarm.add_peer("boss"), swarm.add_peer("other")
    for command in (("invite",), ("invites",), ("revoke", "boss"), ("zone", "boss", "attic")):
        refused = swarm.cli(other, *command)
        assert refused.code == 5, str(refused)
        assert "twofold-tracker admin" in refused.result["error"]
    swarm.tracker_ok("admin", "boss")
    made = swarm.ok(boss, "invite", "--expires", "1h", "--zone", "attic")
    assert try_to_join(swarm, made["invite"]).code == 0
    unused = swarm.ok(boss, "invite")
    assert swarm.ok(boss, "revoke", unused["id"])["what"] == "invite"
    states = {each["id"]: each["state"] for each in swarm.ok(boss, "invites")["invites"]}
    assert (states[made["id"]], states[unused["id"]]) == ("used", "revoked")
    swarm.ok(boss, "zone", "other", "cellar")
    assert swarm.ok(boss, "revoke", "other")["what"] == "member"
    assert swarm.cli(boss, "invite", "--expires", "never").code == 2
    assert swarm.cli(boss, "invite", "--zone", "x" * 65).code == 2
