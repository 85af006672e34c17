"""Settings, shared paths and links over /api/v1: the daemon's own checks, for the owner alone."""

from pathlib import Path

import msgspec
import pytest
from managing_double import RefusalError
from operator_double import OperatorDouble
from page_under_test import PageUnderTest, run_with_page, until
from test_web_inviting import HERE, NAS, as_guest, asked, machine

from protocol.messages import operating as op
from protocol.messages.base import Failed, Message
from protocol.messages.linking import LinkView, Sources, SourceView

MB = 1_000_000
NONE = {"up": None, "down": None}


def toml(tmp_path: Path) -> str:
    return (tmp_path / "settings.toml").read_text()


async def send(  # type: ignore[type-arg]
    page: PageUnderTest, method: str, place: str, body: dict[str, object]
) -> tuple[int, dict]:
    """As `asked`, with a body that may have any field."""
    status, answer, _ = await page.ask(method, f"/api/v1/{place}", json=body)
    return status, msgspec.json.decode(answer) if answer else {}


def as_json(struct: msgspec.Struct) -> object:
    return msgspec.json.decode(msgspec.json.encode(struct))


async def acts(page: PageUnderTest) -> list[tuple[str, str]]:
    _, found = await asked(page, "GET", "activity")
    return [(act["kind"], act["text"]) for act in found["acts"]]


def test_limits_are_changed_and_written(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        page.double.machines = (machine(HERE, "desk"), machine(NAS, "nas"))
        (tmp_path / "settings.toml").write_text("# mine\n")
        status, limits = await asked(page, "PATCH", "limits", up=5 * MB, down=None)
        assert status == 200
        assert limits["base"] == limits["now"] == {"up": 5 * MB, "down": None}
        status, limits = await asked(page, "PATCH", "limits", peer="nas", down=MB)
        assert limits["peers"] == [
            {"name": "nas", "rates": {"up": None, "down": MB}, "known": True}
        ]
        status, limits = await asked(page, "PATCH", "limits", at="daily 00:00-24:00", up=MB)
        assert limits["windows"] == [
            {"times": "daily 00:00-24:00", "rates": {"up": MB, "down": None}, "now": True}
        ]
        status, limits = await asked(page, "PATCH", "limits", lan="limited")
        assert (limits["lan"], limits["now"]) == ("limited", {"up": MB, "down": None})
        assert limits == (await asked(page, "GET", "limits"))[1]
        assert limits["file"] == str(tmp_path / "settings.toml")
        assert toml(tmp_path).startswith('# mine\n\n[limits]\nup = "5MB"\nlan = true\n')
        status, limits = await asked(page, "PATCH", "limits", at="daily 00:00-24:00", remove=True)
        assert limits["windows"] == []
        (tmp_path / "settings.toml").write_text("[limits]\ndown = '2MB'\n")
        status, limits = await asked(page, "POST", "settings/reload")
        assert limits["base"] == {"up": None, "down": 2 * MB}
        assert await acts(page) == [
            ("settings", "read the settings file again"),
            ("settings", "changed the schedule"),
            ("settings", "changed the limits"),
            ("settings", "changed the schedule"),
            ("settings", "changed the limits of nas"),
            ("settings", "changed the limits"),
        ]

    run_with_page(tmp_path, work)


@pytest.mark.parametrize(
    ("body", "status", "field", "text"),
    [
        ({"up": 1}, 400, "up", "the least rate is 50KB a second"),
        ({"down": 49_999, "at": "sat 1:00-2:00"}, 400, "down", "the least rate is 50KB a second"),
        ({"up": 0}, 400, "up", "at least 1"),
        ({"up": "5MB"}, 400, "up", "a whole number"),
        ({"up": None, "at": "someday"}, 400, "at", "write them like 'mon-fri 08:00-18:00'"),
        ({"up": None, "at": "sat 25:00-26:00"}, 400, "at", "no time of day"),
        ({"up": MB, "peer": "nobody"}, 404, "peer", "no machine is called"),
        ({"at": "sat 1:00-2:00"}, 400, "", "give a rate"),
        ({"at": "sat 1:00-2:00", "remove": True}, 404, "", "no window"),
        ({"peer": "nas", "at": "sat 1:00-2:00", "up": MB}, 400, "", "not both"),
        ({"lan": "maybe"}, 400, "lan", ""),
        ({"rate": 5}, 400, "rate", "not known"),
        ({}, 400, "", "Say what to change"),
    ],
)
def test_wrong_limits_are_refused_at_their_field(
    tmp_path: Path, body: dict[str, object], status: int, field: str, text: str
) -> None:
    async def work(page: PageUnderTest) -> None:
        page.double.machines = (machine(HERE, "desk"), machine(NAS, "nas"))
        got, told = await asked(page, "PATCH", "limits", **body)
        assert (got, told["error"].get("field", "")) == (status, field)
        assert text in told["error"]["text"]
        assert (await asked(page, "GET", "limits"))[1]["base"] == NONE
        assert await acts(page) == []
        assert not (tmp_path / "settings.toml").exists()

    run_with_page(tmp_path, work)


def test_settings_and_capacity(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        _, now = await asked(page, "GET", "settings")
        assert (now["scrub_days"], now["discover"], now["capacity"]) == (7.0, True, 100 << 30)
        _, now = await asked(page, "PATCH", "settings", scrub_days=30, discover=False)
        assert (now["scrub_days"], now["discover"]) == (30.0, False)
        assert toml(tmp_path).endswith("[scrub]\ndays = 30\n\n[lan]\ndiscover = false\n")
        status, now = await asked(page, "PATCH", "settings", capacity=5_000_000_000)
        assert (status, now["capacity"], now["told"]) == (200, 5_000_000_000, True)
        page.double.tracker_away = True
        _, now = await asked(page, "PATCH", "settings", capacity=0)
        assert (now["capacity"], now["told"]) == (0, False)
        assert (await acts(page))[-1] == (
            "settings",
            "changed how often all is read and looking for machines on this network",
        )

    run_with_page(tmp_path, work)


@pytest.mark.parametrize(
    ("body", "field", "text"),
    [
        ({"scrub_days": -1}, "scrub_days", "or 0 for never"),
        ({"scrub_days": 5000}, "scrub_days", "out of bounds: 0.01 to 3650"),
        ({"scrub_days": "x"}, "scrub_days", "a number"),
        ({"capacity": -1}, "capacity", "at least 0"),
        ({"capacity": 1 << 61}, "capacity", "at most"),
        ({"discover": "no"}, "discover", "true or false"),
        ({}, "", "Say what to change"),
    ],
)
def test_wrong_settings_are_refused_at_their_field(
    tmp_path: Path, body: dict[str, object], field: str, text: str
) -> None:
    async def work(page: PageUnderTest) -> None:
        status, told = await asked(page, "PATCH", "settings", **body)
        assert (status, told["error"].get("field", "")) == (400, field)
        assert text in told["error"]["text"]

    run_with_page(tmp_path, work)


def test_who_was_let_in_sees_settings_and_changes_nothing(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        film = tmp_path / "film"
        film.write_bytes(b"film")
        number = page.double.hold_file("film", b"film")
        as_guest(page, tmp_path)
        assert (await asked(page, "GET", "settings"))[1]["file"] == ""
        assert (await asked(page, "GET", "limits"))[1]["file"] == ""
        for method, path, body in (
            ("PATCH", "settings", {"capacity": 0}),
            ("POST", "settings/reload", {}),
            ("PATCH", "limits", {"up": None}),
            ("GET", "shares", {}),
            ("POST", "shares", {"path": str(film)}),
            ("DELETE", f"shares/{number}", {}),
            ("POST", f"shares/{number}/keep", {}),
        ):
            status, told = await send(page, method, path, body)
            assert status == 403, (method, path)
            assert "Only the owner of this machine" in told["error"]["text"]
        changing = {"ChangeLimits", "ChangeSettings", "OfferRoom", "Add", "Drop", "GetShares"}
        assert not changing & set(page.double.asked)

    run_with_page(tmp_path, work)


# --- shared paths -----------------------------------------------------------------------------


def test_a_path_is_shared_listed_and_given_up(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("place")

    async def work(page: PageUnderTest) -> None:
        double = page.double
        folder = place / "real"
        folder.mkdir()
        (folder / "film").write_bytes(b"x" * 900)
        (place / "link").symlink_to(folder)
        status, entry = await send(
            page,
            "POST",
            "shares",
            {"path": f"{place}/link/../link/film", "name": "The film"},
        )
        assert (status, entry["name"]) == (201, "The film")
        assert list(double._added) == [str(folder / "film")]
        double.share_in_place(str(folder / "film"), double.entries[entry["id"]].view)
        _, found = await asked(page, "GET", "shares")
        assert [(each["path"], each["entry"]) for each in found["shares"]] == [
            (str(folder / "film"), entry["id"])
        ]
        double.dropped_at_once = False
        status, told = await asked(page, "DELETE", f"shares/{entry['id']}")
        assert (status, told) == (202, {"leaving": True})
        assert (await asked(page, "GET", "shares"))[1]["shares"][0]["state"] == "leaving"
        assert (await asked(page, "POST", f"shares/{entry['id']}/keep"))[0] == 204
        double.dropped_at_once = True
        assert (await asked(page, "DELETE", f"shares/{entry['id']}"))[0] == 204
        assert (await asked(page, "GET", "shares"))[1]["total"] == 0
        assert await acts(page) == [("drop", "The film")] * 2 + [("upload", "The film")]

    run_with_page(tmp_path, work)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("film", "Write the whole path"),
        ("~ana/film", "Write the whole path"),
        ("/tmp/fi\0lm", "Write the whole path"),
        ("", "path"),
        ("/nowhere/at/all", "no such file"),
        ("/" + "x" * 5000, "at most"),
        ("/", "the keys of this machine"),
        ("{data}", "the keys of this machine"),
        ("{data}/web.key", "the keys of this machine"),
        ("{data}/../{name}/web.key", "the keys of this machine"),
    ],
)
def test_a_path_that_is_none_is_refused_at_the_field(tmp_path: Path, path: str, text: str) -> None:
    async def work(page: PageUnderTest) -> None:
        named = path.format(data=tmp_path, name=tmp_path.name)
        status, told = await send(page, "POST", "shares", {"path": named})
        assert (status, told["error"]["field"]) == (400, "path")
        assert text in told["error"]["text"]
        assert await acts(page) == []

    run_with_page(tmp_path, work)


class _Slow(OperatorDouble):
    """Answers `Add` only when told."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.waiting: list[op.Add] = []

    def _on_add(self, ask: op.Add) -> list[Message]:
        self.waiting.append(ask)
        return []

    def _on_getstatus(self, ask: op.GetStatus) -> list[Message]:
        """The next question after it: what it waited for comes first."""
        said: list[Message] = []
        for add in self.waiting:
            try:
                said += super()._on_add(add)
            except RefusalError as refusal:
                said.append(Failed(call=add.call, kind="invalid", text=refusal.text))
        self.waiting.clear()
        return [*said, *super()._on_getstatus(ask)]


def test_what_takes_long_goes_on_and_its_end_is_told(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.shares.SOON", 0.05)
    place = tmp_path_factory.mktemp("place")
    (place / "film").write_bytes(b"x")

    async def work(page: PageUnderTest) -> None:
        events = page.page.events
        for name in ("film", "gone"):
            path = str(place / name)
            status, told = await send(page, "POST", "shares", {"path": path})
            assert (status, told) == (202, {"path": path})
            number = events._last
            await page.ask("GET", "/api/v1/status")
            await until(lambda number=number: events._last > number)  # type: ignore[misc]
        first, last = (notice.decode() for _, notice in events._notices)
        assert "film is shared." in first
        assert "gone was not shared: there is no such file" in last

    run_with_page(tmp_path, work, double=_Slow(tmp_path))


# --- transfers ----------------------------------------------------------------------------------


def test_sources_and_links_are_told(tmp_path: Path) -> None:
    source = SourceView(
        peer=NAS,
        name="nas <b>",
        address="192.0.2.7",
        near=True,
        state="sends",
        rate=5 * MB,
        pieces=30,
        asked=4,
        late=0,
        received=9 * MB,
        connections=1,
        answers=0.002,
    )
    link = LinkView(
        peer=NAS,
        name="nas <b>",
        address="192.0.2.7",
        near=True,
        connections=3,
        received=1,
        sent=2,
        rate=5,
        asks=3,
        fetches=("film",),
        fetching=1,
    )

    async def work(page: PageUnderTest) -> None:
        page.double.sources["ef" * 32] = Sources(
            call=0, transfer="ef" * 32, pieces=40, sources=(source,)
        )
        page.double.links = (link,)
        status, told = await asked(page, "GET", f"transfers/{'ef' * 32}")
        assert status == 200
        assert told["sources"] == [as_json(source)]
        assert (await asked(page, "GET", f"transfers/{'aa' * 32}"))[0] == 404
        assert (await asked(page, "GET", "transfers/ab"))[0] == 404
        assert (await asked(page, "GET", "links"))[1] == {"links": [as_json(link)]}

    run_with_page(tmp_path, work)


# --- activity -----------------------------------------------------------------------------------


def test_a_fetch_is_activity_and_a_preview_is_none(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        number = page.double.hold_file("notes.txt", b"hello")
        status, body, _ = await page.ask("GET", f"/view/{number}/0", headers={"Range": "bytes=0-4"})
        assert (status, body) == (206, b"hello")
        assert await acts(page) == []
        assert (await asked(page, "POST", "fetch", entry=number))[0] == 202
        assert await acts(page) == [("fetch", "notes.txt")]
        _, found = await asked(page, "GET", "activity")
        when = found["acts"][0]["when"]
        for query, expected in (
            (f"after={when}", 1),
            (f"after={when + 1}", 0),
            (f"before={when}", 0),
            (f"before={when + 1}&after={when}&kind=fetch", 1),
        ):
            _, found = await asked(page, "GET", f"activity?{query}")
            assert len(found["acts"]) == expected, query
        assert (await asked(page, "GET", "activity?after=-1"))[0] == 400

    run_with_page(tmp_path, work)
