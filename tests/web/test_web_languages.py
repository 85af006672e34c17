"""The page's catalogues say everything that it says, and it says nothing without them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from page_texts import Call, Module, read_module

STATIC = Path(__file__).parents[2] / "web" / "static"
LANGUAGES = {"de": ("one", "other"), "ar": ("zero", "one", "two", "few", "many", "other")}
NOT_READ = frozenset({"languages", "pdf", "vendor"})
"""Folders: the frame for PDFs is told its words by the page."""
WORD_LISTS = frozenset({"highlight.js", "preview_kinds.js"})
"""Modules of words for programs: of programming languages, of kinds of files."""
NO_TEXT = frozenset(
    {
        "Twofold",
        "twofold-link-…",
        "English",
        "Deutsch",
        "Content-Type",
        "Tus-Resumable",
        "AbortError",
        "Notification",
        "very high",
        ".pdf, .txt",
        "/home/ana/films",
        "Files",
        "ArrowLeft",
        "ArrowRight",
    }
)
"""Names that are the same in every language, and words of the browser's own."""
FIELD = re.compile(r"\{\w+\}")
PLURAL = re.compile(r"(.*) \((zero|one|two|few|many|other)\)", re.DOTALL)
PHYSICAL = re.compile(
    r"(?:margin|padding|border)-(?:left|right)|(?<![\w-])(?:left|right):|"
    r"text-align: (?:left|right)|border-(?:top|bottom)-(?:left|right)-radius|float:"
)


def modules() -> Iterator[tuple[str, Module]]:
    """Every module of the page that is ours, with what it says."""
    for path in sorted(STATIC.rglob("*.js")):
        name = path.relative_to(STATIC)
        if name.parts[0] not in NOT_READ:
            yield str(name), read_module(path.read_text(encoding="utf-8"))


def said() -> dict[str, tuple[str, Call]]:
    """Every text that the page says, by its key in a catalogue, with a module that says it."""
    found: dict[str, tuple[str, Call]] = {}
    for name, module in modules():
        for call in module.calls:
            found.setdefault(call.key, (name, call))
    return found


def catalogue(language: str) -> dict[str, str]:
    """A catalogue as it lies in the tree; none of its keys may be there twice."""
    source = (STATIC / "languages" / f"{language}.js").read_text(encoding="utf-8")
    lines = [line for line in source.splitlines() if not line.lstrip().startswith("//")]
    content = "\n".join(lines).strip().removeprefix("export default").removesuffix(";")
    pairs: list[tuple[str, str]] = json.loads(
        re.sub(r",\s*\}\s*$", "}", content), object_pairs_hook=lambda pairs: pairs
    )
    keys = [key for key, _ in pairs]
    assert sorted(keys) == sorted(set(keys)), "a text is there twice"
    return dict(pairs)


def wanted(language: str) -> dict[str, str]:
    """The keys that a catalogue needs, with the module that says each."""
    return {
        key: name
        for text, (name, call) in said().items()
        for key in ([f"{text} ({each})" for each in LANGUAGES[language]] if call.plural else [text])
    }


def test_everything_is_said_through_the_catalogues() -> None:
    wrong = [
        f"{name}:{line}: {text}"
        for name, module in modules()
        if name not in WORD_LISTS
        for line, text in module.wrong
        if text not in NO_TEXT
    ]
    assert wrong == [], "put these into t(), tx() or tn() of strings.js:\n" + "\n".join(wrong)


def test_the_scanner_finds_what_is_not_in_a_catalogue() -> None:
    def wrong(source: str) -> list[str]:
        return [text for _, text in read_module(source).wrong]

    assert wrong("const a = () => html`<p>Hello ${name}</p>`;") == ["Hello"]
    assert wrong('const a = () => html`<p aria-label="Close" class="Big one">${x}</p>`;') == [
        "Close"
    ]
    assert wrong('const a = () => html`<p title=${"close it"}>${b && "shared"}</p>`;') == [
        "close it",
        "shared",
    ]
    assert wrong("const a = () => html`<p title=${`Remove ${name}`}></p>`;") == ["Remove {}"]
    assert wrong("const a = () => html`${x.map((y) => html`<b>no</b>`)}`;") == ["no"]
    assert wrong('function a() { return "Not this time"; }') == ["Not this time"]
    assert wrong('const a = t("Once");') == [
        "is said once, before the language is known; make it a function"
    ]
    assert wrong("const a = () => t(text);") == ["t is given something else than a text in quotes"]
    good = (
        'const a = (x) => html`<code>twofold run</code>${x === "Big" && t("Is big")} · ${/"Not/}`;'
    )
    module = read_module(
        good + '\nfunction b(n) { return tn(f(n, 1), "{n} day", "{n} days", { n }); }'
    )
    assert module.wrong == []
    assert [(call.texts, call.line) for call in module.calls] == [
        (("Is big",), 1),
        (("{n} day", "{n} days"), 2),
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_is_complete(language: str) -> None:
    has, needs = catalogue(language), wanted(language)
    missing: dict[str, list[str]] = {}
    for key, name in needs.items():
        if not has.get(key):
            missing.setdefault(name, []).append(f'  {json.dumps(key, ensure_ascii=False)}: "",')
    lines = [line for name in missing for line in (f"  // {name}", *missing[name])]
    assert not missing, f"languages/{language}.js lacks:\n" + "\n".join(lines)
    assert sorted(set(has) - set(needs)) == [], "no module says these any more"


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_have_the_fields_of_the_text(language: str) -> None:
    for key, text in catalogue(language).items():
        plural = PLURAL.fullmatch(key)
        fields, theirs = (
            sorted(FIELD.findall(plural[1] if plural else key)),
            sorted(FIELD.findall(text)),
        )
        if plural and plural[2] in ("zero", "one", "two"):
            # "one file" needs no number.
            fields, theirs = ([each for each in some if each != "{n}"] for some in (fields, theirs))
        assert theirs == fields, key
        assert (key[0].isspace(), key[-1].isspace()) == (text[0].isspace(), text[-1].isspace()) or (
            key == ", "
        ), key


def test_singular_and_plural_have_the_same_fields() -> None:
    for _, call in said().values():
        if call.plural:
            one, many = ({*FIELD.findall(text)} for text in call.texts)
            assert one | {"{n}"} == many, call


def test_styles_know_no_left_and_right() -> None:
    """Except where the direction is what they are about."""
    for path in sorted(STATIC.glob("*.css")):
        for line in path.read_text(encoding="utf-8").splitlines():
            assert '[dir="' in line or not PHYSICAL.search(line), f"{path.name}: {line}"
            for sides in re.findall(r"(?:padding|margin): ([^;]+);", line):
                parts = sides.split()
                assert len(parts) < 4 or parts[1] == parts[3], f"{path.name}: {line}"
