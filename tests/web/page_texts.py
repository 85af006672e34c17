"""Finds what the page's modules say: the texts in t, tx and tn calls, and texts in none.

A scanner of JavaScript as it is written here: comments, strings, regular expressions, templates,
and in html`` templates their tags, attributes and text.
"""

import re
from dataclasses import dataclass, field

LETTER = re.compile(r"[^\W\d_]")
LIKE_TEXT = re.compile(r"^[A-Z][a-z]|[a-z]{2,} [a-z]{2,}|…")
SHOWN = re.compile("aria-label|title|placeholder|alt|label|text|say|action|done|legend|any")
"""Attributes of elements, and properties of our own parts, whose value people read or hear."""
NEVER_SHOWN = re.compile("class|style|d|href|src|id|key|ref|for|autocomplete|role|lang|dir")
WORD = re.compile(r"[\w$]+")
BEFORE_REGEX = frozenset("(,=:[!&|?{};+-*\n") | {""}
BEFORE_SHOWN = frozenset(("&&", "||", "??", "?", ":", ""))
COMPARED = frozenset(("===", "!=="))
DOUBLED = frozenset(["=", "==", "!", "!=", "&", "|", "?"])


@dataclass(frozen=True)
class Call:
    """One t, tx or tn with the texts it is given: one, or the singular and the plural."""

    texts: tuple[str, ...]
    line: int

    @property
    def key(self) -> str:
        """What a catalogue has it under; a plural with its category added."""
        return self.texts[-1]

    @property
    def plural(self) -> bool:
        """Whether it depends on a number."""
        return len(self.texts) == 2


@dataclass
class Module:
    """What a module says, and what is wrong with how it does."""

    calls: list[Call] = field(default_factory=list)
    wrong: list[tuple[int, str]] = field(default_factory=list)


@dataclass
class _Frame:
    """An open bracket; in one whose `later` is set, code runs when it is called, not at once."""

    bracket: str
    later: bool
    body: bool = False


def read_module(source: str) -> Module:
    """All that a module says."""
    scanner = _Scanner(source)
    while scanner.at < len(source):
        scanner.code(shown=False, checked=True)
        scanner.at += 1
    return scanner.found


class _Scanner:
    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.found = Module()
        self._said: set[int] = set()
        self._frames: list[_Frame] = [_Frame("", later=False)]

    def code(self, *, shown: bool, checked: bool) -> None:
        """Read code up to the brace that closes it; `shown`: what it gives is drawn as text."""
        depth, before = len(self._frames), ""
        while self.at < len(self.source):
            char = self.source[self.at]
            if char == "}" and len(self._frames) == depth:
                return
            drawn = shown and len(self._frames) == depth and before in BEFORE_SHOWN
            before = self._token(char, before, drawn=drawn, checked=checked)

    def _token(self, char: str, before: str, *, drawn: bool, checked: bool) -> str:
        """Read one token; what stands before the next one."""
        start = self.at
        if char.isspace():
            self.at += 1
            return before
        if self.source.startswith(("//", "/*"), start):
            end = "\n" if self.source[start + 1] == "/" else "*/"
            self.at = self._after(end, start + 2)
            return before
        if char in "\"'":
            self._loose(
                self.string(), start, drawn=drawn, checked=checked and before not in COMPARED
            )
            return '"'
        if char == "`":
            self._template(before, start, checked=checked)
            return '"'
        if char == "/" and (before[-1:] in BEFORE_REGEX or before == "return"):
            self._regex()
            return '"'
        if word := WORD.match(self.source, start):
            return self._word(word, before)
        return self._sign(char, before)

    def _word(self, word: re.Match[str], before: str) -> str:
        text, self.at = word.group(), word.end()
        called = self.source.startswith("(", self.at)
        if text in ("t", "tx", "tn") and called and before not in (".", "function"):
            self._call(text, word.start())
        elif text in ("import", "from") and before != "." and not called:
            # A module's name is no text.
            while text == "from" and self.source[self.at] in " \"'":
                self.at = (
                    self._after('"', self.at + 2) if self.source[self.at] != " " else self.at + 1
                )
        return text

    def _sign(self, char: str, before: str) -> str:
        self.at += 1
        frame = self._frames[-1]
        if char in "([{":
            later = char == "{" and before in (")", "=>")
            self._frames.append(_Frame(char, later or frame.later, body=later))
        elif char in ")]}" and len(self._frames) > 1:
            self._frames.pop()
        pair = before + char if before in DOUBLED and char in "=>&|?" else char
        if pair == "=>":
            self._frames[-1].later = True
        elif char in ",;" and frame.bracket in ("", "[", "{"):
            # What was an arrow's ends here; what is in something that runs later still does.
            outer = self._frames[-2].later if len(self._frames) > 1 else False
            frame.later = outer or frame.body
        return pair

    def _call(self, name: str, start: int) -> None:
        line = self._line(start)
        if not any(frame.later for frame in self._frames):
            self.found.wrong.append(
                (line, "is said once, before the language is known; make it a function")
            )
        if self.source.startswith('("', self.at):
            texts = [self._literal(self.at + 1)]
            if name == "tn":
                self.found.wrong.append((line, "tn takes a number first"))
        elif name == "tn":
            texts = self._plural_texts(line)
        else:
            self.found.wrong.append((line, f"{name} is given something else than a text in quotes"))
            return
        self.found.calls.append(Call(tuple(texts), line))

    def _plural_texts(self, line: int) -> list[str]:
        given = re.compile(r',\s*("(?:\\.|[^"\\])*"),\s*("(?:\\.|[^"\\])*")')
        found = given.search(self.source, self.at, self.source.find("\n", self.at) + 400)
        if found is None:
            self.found.wrong.append((line, "tn is given something else than two texts in quotes"))
            return ["", ""]
        self._said = {found.start(1), found.start(2)}
        return [_unescaped(found.group(1)), _unescaped(found.group(2))]

    def _literal(self, at: int) -> str:
        self._said = {at}
        end = self._end_of_string(at)
        return _unescaped(self.source[at:end])

    def _loose(self, text: str, start: int, *, drawn: bool, checked: bool) -> None:
        if start in self._said or not checked:
            return
        if LIKE_TEXT.search(text) or (drawn and LETTER.search(text)):
            self.found.wrong.append((self._line(start), text))

    def _end_of_string(self, at: int) -> int:
        quote, end = self.source[at], at + 1
        while self.source[end] != quote:
            end += 2 if self.source[end] == "\\" else 1
        return end + 1

    def string(self) -> str:
        """The inside of the string that begins here."""
        start, self.at = self.at, self._end_of_string(self.at)
        return self.source[start + 1 : self.at - 1]

    def _regex(self) -> None:
        inside = False
        self.at += 1
        while inside or self.source[self.at] != "/":
            char = self.source[self.at]
            inside = char == "[" or (inside and char != "]")
            self.at += 2 if char == "\\" else 1
        self.at += 1

    def _template(self, before: str, start: int, *, checked: bool) -> None:
        self.at += 1
        if before == "html":
            _Markup(self, start).read()
            return
        text = ""
        while self.source[self.at] != "`":
            if self.source.startswith("${", self.at):
                text += "{}"
                self.expression(shown=False, checked=checked)
            else:
                text += self.source[self.at]
                self.at += 2 if self.source[self.at] == "\\" else 1
        self.at += 1
        if checked and before != "raw" and LIKE_TEXT.search(text):
            self.found.wrong.append((self._line(start), text))

    def expression(self, *, shown: bool, checked: bool) -> None:
        """What stands in ${} of a template."""
        self.at += 2
        # A template is drawn by a function, so what is in it is said when it is drawn.
        self.code(shown=shown, checked=checked)
        self.at += 1

    def _after(self, end: str, at: int) -> int:
        found = self.source.find(end, at)
        return len(self.source) if found < 0 else found + len(end)

    def _line(self, at: int) -> int:
        return self.source.count("\n", 0, at) + 1

    def complain(self, at: int, text: str) -> None:
        """Note a text that is said without t."""
        self.found.wrong.append((self._line(at), text.strip()))


class _Markup:
    """An html`` template: its text between tags, and the values of its attributes."""

    def __init__(self, scanner: _Scanner, start: int) -> None:
        self._scanner = scanner
        self._start = start
        self._codes = 0

    def read(self) -> None:
        """Read up to the closing backtick."""
        scanner, text = self._scanner, ""
        while (char := scanner.source[scanner.at]) != "`":
            if char == "<" or scanner.source.startswith("${", scanner.at):
                self._text(text)
                text = ""
                if char == "<":
                    self._tag()
                else:
                    scanner.expression(shown=not self._codes, checked=not self._codes)
            else:
                text += char
                scanner.at += 1
        self._text(text)
        scanner.at += 1

    def _text(self, text: str) -> None:
        if LETTER.search(re.sub(r"&\w+;", "", text)) and not self._codes:
            self._scanner.complain(self._scanner.at, text)

    def _tag(self) -> None:
        scanner = self._scanner
        name = re.compile(r"</?[\w-]*/?").match(scanner.source, scanner.at)
        assert name is not None
        scanner.at = name.end()
        self._codes += {"<code": 1, "</code": -1}.get(name.group(), 0)
        attribute = ""
        while (char := scanner.source[scanner.at]) != ">":
            if scanner.source.startswith("${", scanner.at):
                scanner.expression(
                    shown=bool(SHOWN.fullmatch(attribute)),
                    checked=not NEVER_SHOWN.fullmatch(attribute),
                )
            elif char == '"':
                self._value(attribute)
            elif word := re.compile(r"[\w-]+=?").match(scanner.source, scanner.at):
                attribute = word.group().removesuffix("=")
                scanner.at = word.end()
            else:
                scanner.at += 1
        scanner.at += 1

    def _value(self, attribute: str) -> None:
        scanner = self._scanner
        start = scanner.at
        text = scanner.string()
        shown = SHOWN.fullmatch(attribute) and LETTER.search(text)
        if shown or (not NEVER_SHOWN.fullmatch(attribute) and LIKE_TEXT.search(text)):
            scanner.complain(start, text)


def _unescaped(literal: str) -> str:
    return literal[1:-1].replace('\\"', '"').replace("\\\\", "\\")
