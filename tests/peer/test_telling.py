"""What people are told of the status, and of work under way, while it goes well and badly."""

import re
import time

import msgspec
import pytest

from peer.cli.output import Printer, percent, progress_text
from peer.cli.pace import WINDOW, Pace
from peer.cli.status_text import status_text, transfer_text
from peer.words import duration_text
from protocol.messages import operating as op
from protocol.messages.limiting import RatesView
from protocol.messages.scrubbing import ScrubView

MIB = 1 << 20
NOON = int(time.mktime((2026, 11, 20, 12, 0, 0, 0, 0, -1))) * 1000
STATUS = op.Status(
    call=0,
    peer=op.PeerView(id="ab" * 32, name="desk", version="1", listen="127.0.0.1:4110"),
    web=None,
    tracker=op.TrackerView(state="connected"),
    swarm=op.SwarmView(name="Studio", roster=1, members=1),
    store=op.StoreView(bytes=MIB, capacity=1 << 30, room=1 << 29, pieces=1),
    transfers=(),
    scrub=ScrubView(days=7, completed=0, bytes=0, bad=0, healed=0),
    limits=RatesView(up=None, down=None),
    congestion=(),
    lanes=0,
    uploaded=0,
    downloaded=0,
    fetched_twice=0,
)
FILM = op.TransferView(
    id="ab",
    name="film.mkv",
    purpose="get",
    size=400 * MIB,
    done=100 * MIB,
    rate=5 * MIB,
    left=60,
    sources=("nas",),
)


def test_a_quiet_daemon() -> None:
    assert status_text(STATUS).splitlines() == [
        "desk (abababababab) in Studio, 1 machine; tracker connected",
        "listening on 127.0.0.1:4110, page off",
        "holding 1 piece, 1.0 MiB of 1.0 GiB; 0 transfers",
        "congestion control: not known",
        "scrub: not all read yet, 0 B since the start",
    ]


def test_a_busy_daemon() -> None:
    busy = msgspec.structs.replace(
        STATUS,
        transfers=(FILM, FILM),
        congestion=("bbr", "cubic"),
        lanes=63,
        fetched_twice=3,
        scrub=ScrubView(days=0, completed=NOON, bytes=3 * MIB, bad=2, healed=1),
        limits=RatesView(up=5_000_000, down=None),
        notices=(op.NoticeView(when=0, text="a.jpg changed\n\x1b[31m"),),
    )
    lines = status_text(busy).splitlines()
    assert lines[2].endswith("; 2 transfers")
    assert lines[3:7] == [
        "congestion control: bbr, cubic; 63 more connections for pieces",
        "scrub off: all read 2026-11-20 12:00, 3.0 MiB since the start, 2 pieces bad, 1 healed",
        "fetched twice: 3 pieces",
        "limits: up 5MB/s, down none",
    ]
    film = "film.mkv: 25% of 400.0 MiB, 5.0 MiB/s, 1 min left, from nas, for you"
    assert lines[7:9] == [film, film]
    assert re.fullmatch(r"19[67]\d-\d\d-\d\d \d\d:\d\d  a\.jpg changed��\[31m", lines[9])
    assert len(lines) == 10


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rate": 0, "left": None}, "25% of 400.0 MiB, 0 B/s, time left unknown, from nas"),
        ({"sources": ()}, "looking for a machine that has it, for you"),
        ({"sources": ("a", "b", "c")}, "from a, b and c, for you"),
        ({"sources": ("a", "b", "c", "d")}, "from a, b and 2 more, for you"),
        ({"sources": ("\x1b[2J",)}, "from �[2J, for you"),
        ({"purpose": "keep"}, "kept here for the swarm"),
        ({"done": 400 * MIB - 1, "left": 0}, "99% of 400.0 MiB, 5.0 MiB/s, 1 s left"),
        ({"done": 400 * MIB, "left": 0}, "100% of 400.0 MiB, 5.0 MiB/s, finishing"),
        ({"size": 0, "done": 0, "rate": 0, "left": None}, "100% of 0 B, 0 B/s, finishing"),
        ({"name": "a\nb"}, "a�b: 25%"),
    ],
)
def test_a_transfer(changes: dict[str, object], said: str) -> None:
    text = transfer_text(msgspec.structs.replace(FILM, **changes))
    assert said in text
    assert "\n" not in text


def test_lengths_of_time_and_shares() -> None:
    for seconds, text in (
        *((0, "1 s"), (59, "59 s"), (60, "1 min"), (3599, "1 h 0 min"), (7170, "2 h 0 min")),
        *((7260, "2 h 1 min"), (47.9 * 3600, "47 h 54 min"), (1e9, "11574 days")),
    ):
        assert duration_text(seconds) == text
    assert [percent(*each) for each in ((0, 9), (8, 9), (9, 9), (0, 0), (10, 9))] == [
        *(0, 88, 100, 100, 100),
    ]
    assert percent((1 << 50) - 1, 1 << 50) == 99


def test_nothing_is_made_up_at_the_start() -> None:
    pace = Pace()
    assert (pace.rate, pace.left) == (None, None)
    for moment in (0.0, 0.0, 0.25, 0.9):
        pace.note(500, 1000, now=moment)  # was here already
        assert (pace.rate, pace.left) == (None, None)
    pace.note(600, 1000, now=2.0)
    assert (pace.rate, pace.left) == (50.0, 8)


def test_lumps_are_smoothed_and_a_standstill_is_noticed() -> None:
    pace, rates, total = Pace(), [], 100_000
    for quarter in range(160):  # 400 at once each 2 s
        pace.note(quarter // 8 * 400, total, now=quarter / 4)
        rates.append(pace.rate)
    assert all(150 <= rate <= 250 for rate in rates[40:] if rate is not None)
    assert pace.left is not None
    assert 92_000 / 250 <= pace.left <= 92_400 / 150
    pace.note(7600, total, now=45.0)
    slower = pace.rate
    assert slower is not None
    assert slower < 180
    for second in range(46, 50 + int(WINDOW)):
        pace.note(7600, total, now=float(second))
    assert (pace.rate, pace.left) == (0.0, None)
    pace.note(total, total, now=60.0)
    assert pace.left == 0


def test_pieces_that_take_longer_than_the_window() -> None:
    """4 MiB each at 100 KiB a second, asked four times a second."""
    pace, said = Pace(), set()
    for quarter in range(2000):
        pace.note(quarter // 164 * 4 * MIB, 400 * MIB, now=quarter / 4)
        if quarter > 2 * 164:
            said.add(pace.rate)
    assert all(rate is not None and 90_000 < rate < 110_000 for rate in said)


def test_less_done_or_another_total_begins_anew() -> None:
    pace = Pace()
    pace.note(0, 1000, now=0.0)
    pace.note(500, 1000, now=5.0)
    assert pace.rate == 100.0
    pace.note(100, 1000, now=6.0)
    assert (pace.rate, pace.left) == (None, None)
    pace.note(200, 1000, now=8.0)
    assert (pace.rate, pace.left) == (50.0, 16)
    pace.note(900, 2000, now=9.0)
    assert (pace.rate, pace.left) == (None, None)


def test_progress_in_words() -> None:
    pace = Pace()
    step = op.Progress(call=0, stage="downloading", done=0, total=40 * MIB, text="0 sources")
    pace.note(0, 40 * MIB, now=0.0)
    assert progress_text(step, pace) == "0% of 40.0 MiB, 0 sources"
    pace.note(10 * MIB, 40 * MIB, now=2.0)
    step = msgspec.structs.replace(step, done=10 * MIB, text="1 sources")
    assert progress_text(step, pace) == "25% of 40.0 MiB, 5.0 MiB/s, 6 s left, 1 source"
    step = msgspec.structs.replace(step, done=40 * MIB, text="")
    assert progress_text(step, pace) == "100% of 40.0 MiB, 5.0 MiB/s"
    step = msgspec.structs.replace(step, text="0 sources")  # all have been let go of
    assert progress_text(step, pace) == "100% of 40.0 MiB, 5.0 MiB/s"
    pieces = op.Progress(call=0, stage="replicating", done=3, total=12, text="1 of 2 copies")
    assert progress_text(pieces, Pace()) == "25%, 1 of 2 copies"


def test_lines_for_people_and_for_programs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("peer.cli.output.time.monotonic", lambda: now)
    step = op.Progress(call=7, stage="downloading", done=0, total=40 * MIB, text="2 sources")
    for as_json in (False, True):
        now = 0.0
        with Printer(as_json=as_json).progress() as progress:
            for second in range(21):
                now = float(second)
                progress.show(msgspec.structs.replace(step, done=second * MIB))
    out, errors = capsys.readouterr()
    assert errors.splitlines() == [
        "downloading: 25% of 40.0 MiB, 1.0 MiB/s, 30 s left, 2 sources, after 10 s",
        "downloading: 50% of 40.0 MiB, 1.0 MiB/s, 20 s left, 2 sources, after 20 s",
        "downloading: 100% of 40.0 MiB, 1.0 MiB/s, after 20 s",
    ]
    lines = [msgspec.json.decode(line) for line in out.splitlines()]
    assert len(lines) == 20
    assert lines[-1] == {
        "type": "progress",
        "stage": "downloading",
        "done": 20 * MIB,
        "total": 40 * MIB,
        "text": "2 sources",
    }


def test_what_failed_does_not_end_at_a_hundred(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("peer.cli.output.PLAIN_EVERY", 0.0)
    step = op.Progress(call=0, stage="verifying", done=1, total=2)

    def fails() -> None:
        with Printer(as_json=False).progress() as progress:
            progress.show(step)
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        fails()
    assert "100%" not in capsys.readouterr().err
