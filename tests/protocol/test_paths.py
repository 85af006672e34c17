"""Names from other machines: whatever comes in, what comes out is safe to show and save under."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocol.paths import MAX_PATH, check_relative_path, clean_name

nasty = st.text(st.sampled_from("/\\. \0\n\u202e\ud800ab\u00e9\U0001f600\u3000"), max_size=20)
anything = st.text(st.characters(), max_size=300) | nasty
BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@given(name=anything)
@example(name="")
@example(name="..")
@example(name=" .. ")
@example(name="/etc/passwd")
@example(name="a" * 254 + " b")
@example(name="x" * 300 + ".tar.gz")
@example(name="\U0001f600" * 100 + ".jpeg")
@example(name="." * 300)
def test_a_cleaned_name_is_one_safe_part(name: str) -> None:
    cleaned = clean_name(name)
    assert check_relative_path(cleaned) == cleaned
    assert "/" not in cleaned
    assert "\\" not in cleaned
    assert cleaned.strip("._ ")
    assert 0 < len(cleaned.encode()) <= 255
    assert not any(unicodedata.category(char) in ("Cc", "Zl", "Zp") for char in cleaned)
    assert not any(unicodedata.bidirectional(char) in BIDI for char in cleaned)
    assert cleaned == cleaned.strip()
    assert clean_name(cleaned) == cleaned


@given(name=st.text("abc é漢.-_", min_size=1, max_size=60).filter(lambda n: n.strip("._ ")))
def test_an_ordinary_name_stays_as_it_is(name: str) -> None:
    assert clean_name(name) == name.strip()


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("holiday.jpg", "holiday.jpg"),
        ("a/b\\c", "a_b_c"),
        ("..", "unnamed"),
        ("../../etc/passwd", ".._.._etc_passwd"),
        ("\u202egpj.exe", "_gpj.exe"),
        ("\u061cgpj.exe", "_gpj.exe"),
        ("two\nlines", "two_lines"),
        ("é" * 200 + ".jpg", "é" * 125 + ".jpg"),
        ("x" * 300, "x" * 255),
        ("", "unnamed"),
        ("\u3000", "unnamed"),
    ],
)
def test_names_are_cleaned_so(name: str, cleaned: str) -> None:
    assert clean_name(name) == cleaned


@given(path=anything)
def test_a_checked_path_stays_below_its_folder(path: str) -> None:
    try:
        assert check_relative_path(path) == path
    except ValueError:
        return
    parts = path.split("/")
    assert path
    assert not path.startswith("/")
    assert not set(parts) & {"", ".", ".."}
    assert "\0" not in path
    assert all(len(part.encode()) <= 255 for part in parts)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/etc/passwd",
        "..",
        "../up",
        "a/../../b",
        "a/./b",
        "a//b",
        "a/",
        ".",
        "nul\0",
        "\udcff",
        "x" * 256,
        "é" * 128,
        "d/" * 2048 + "f",
    ],
    ids=lambda path: repr(path[:12]),
)
def test_unsafe_paths_are_refused_in_few_words(path: str) -> None:
    with pytest.raises(ValueError, match="path") as caught:
        check_relative_path(path)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("path", ["a", "...", ".hidden", "a/b c/ü.txt", "x" * 255, "C:\\x", "-rf"])
def test_odd_but_safe_paths_are_accepted(path: str) -> None:
    assert check_relative_path(path) == path


def test_the_longest_path() -> None:
    longest = "d/" * ((MAX_PATH - 2) // 2) + "ff"
    assert len(longest) == MAX_PATH
    assert check_relative_path(longest) == longest


@given(path=st.text(st.sampled_from("./\0a"), max_size=12))
@example(path="a" * 255)
@example(path="a" * 256)
@example(path="a/" * 127 + "a")
def test_short_and_long_paths_are_judged_alike(path: str) -> None:
    """The first lie in a folder whose name is not ASCII, and so are not told at once."""
    parts = path.split("/")
    safe = not {"", ".", ".."} & set(parts) and "\0" not in path and max(map(len, parts)) <= 255
    for each in (path, f"é/{path}"):
        if safe:
            assert check_relative_path(each) == each
        else:
            with pytest.raises(ValueError, match=r"unsafe|valid"):
                check_relative_path(each)
