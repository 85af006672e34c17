"""Rules for uploads: read from settings.toml, changed by operators, its comments kept."""

import pytest
from peer_net import Clock, PeerNet

from peer.errors import UsageError
from peer.settings import read_settings
from protocol.errors import InvalidTextError
from protocol.messages.limiting import ReloadSettings
from protocol.messages.upload_rules import (
    ChangeUploadRules,
    GetUploadRules,
    Resolution,
    Rules,
    UploadRules,
)
from protocol.upload_rules import is_allowed, parse_resolution, tidy_types

TEXT = """\
[uploads]  # what we take
types = ["Image", "pdf", ".TXT"]
largest = "50GB"
quota = "200GB"

[pictures]
least = "1024x786"  # as wide as our page
embed = true
"""
RULES = Rules(
    types=("image", ".pdf", ".txt"),
    largest=50 * 10**9,
    quota=200 * 10**9,
    least=Resolution(width=1024, height=786),
    embed=True,
)


def test_they_are_read_from_the_settings() -> None:
    assert read_settings("", "x").uploads == Rules()
    assert read_settings(TEXT, "x").uploads == RULES
    assert read_settings("uploads.largest = 7", "x").uploads == Rules(largest=7)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[uploads]\ntypes = 'image'", r"x: uploads.types: must be a list of texts"),
        ("[uploads]\ntypes = ['a b']", r"x: uploads.types: 'a b' is no type of files; write|image"),
        ("[uploads]\ntypes = ['../x']", r"uploads.types: '../x' is no type of files"),
        ("[uploads]\nlargest = 'big'", r"uploads.largest: 'big' is not a size"),
        ("[uploads]\nlargest = 0", r"uploads.largest: 0 is out of bounds"),
        ("[uploads]\nlargest = true", r"uploads.largest: must be a size"),
        ("[uploads]\nmost = 1", r"x: uploads.most: there is no such setting; .*types, largest"),
        ("[pictures]\nleast = '1024'", r"pictures.least: '1024' is no resolution; .*1024x786"),
        ("[pictures]\nleast = '0x0'", r"pictures.least: '0x0' is no resolution"),
        ("[pictures]\nleast = 1024", r"pictures.least: must be a resolution"),
        ("[pictures]\nembed = 1", r"pictures.embed: must be true or false"),
    ],
)
def test_mistakes_are_told_with_their_place(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        read_settings(text, "x")


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("sea.JPG", True),
        ("a.pdf", True),
        ("notes.Txt", True),
        (".txt", False),
        ("film.mkv", False),
        ("pdf", False),
        ("archive.tar.gz", False),
    ],
)
def test_types_go_by_the_name(name: str, allowed: bool) -> None:
    assert is_allowed(name, RULES.types) is allowed
    assert is_allowed(name, ())


def test_texts_that_people_write() -> None:
    assert tidy_types([" IMAGE ", "Pdf", ".pdf", "tar.gz"]) == ("image", ".pdf", ".tar.gz")
    assert is_allowed("x.tar.gz", (".tar.gz",))
    assert parse_resolution(" 1024 X 786") == parse_resolution("1024\u00d7786") == RULES.least
    for bad in ("", ".", "a/b", "x" * 40):
        with pytest.raises(InvalidTextError):
            tidy_types([bad])
    with pytest.raises(InvalidTextError, match="more than 64"):
        tidy_types([f".{number}" for number in range(65)])


@pytest.mark.trio
async def test_an_operator_shows_and_changes_them(autojump_clock: Clock, net: PeerNet) -> None:
    (one,) = await net.start("one")
    file = one.parts.directory.settings_file

    async def ask(request: GetUploadRules | ChangeUploadRules) -> Rules:
        answer = await one.parts.requests.answer(request, lambda _: None)
        assert isinstance(answer, UploadRules)
        assert answer.file == str(file)
        return answer.rules

    assert await ask(GetUploadRules(call=1)) == Rules()
    file.write_text(TEXT)
    await one.parts.requests.answer(ReloadSettings(call=1), lambda _: None)
    assert await ask(GetUploadRules(call=1)) == RULES
    new = Rules(types=("PDF", "video"), least=RULES.least)
    assert await ask(ChangeUploadRules(call=1, rules=new)) == Rules(
        types=(".pdf", "video"), least=RULES.least
    )
    written = file.read_text()
    assert "# what we take" in written
    assert "# as wide as our page" in written
    assert "largest" not in written
    assert "embed" not in written
    with pytest.raises(UsageError, match="no type of files"):
        await ask(ChangeUploadRules(call=1, rules=Rules(types=("a b",))))
    assert file.read_text() == written
    assert await ask(ChangeUploadRules(call=1, rules=Rules())) == Rules()
    assert "[uploads]" not in file.read_text()
    assert await ask(ChangeUploadRules(call=1, rules=RULES)) == RULES
    assert read_settings(file.read_text(), "x").uploads == RULES
