"""The text of an HTML page, including what a browser does not show, because that is where injections hide.

Why not `html.parser`, alone or under beautifulsoup4: on malformed markup it takes time quadratic in the length (100 kB
of `<a b="` keep it busy for 18 seconds), and a guard reads pages that an attacker wrote. This reader goes over the
page once. It builds no tree; where markup is broken it keeps characters rather than drop them.
"""

from __future__ import annotations

import html
import re

_NAME = re.compile(r"[a-zA-Z][^\s/>]*+")
# One attribute with the blanks before it; possessive throughout, so that no input makes it go back.
_ATTRIBUTE = re.compile(r"[\s/]*+([^\s/>=]*+)(?>(?:\s*+=\s*+(\"[^\"]*+\"|'[^']*+'|[^\s>]*+))?)")
# An inline element does not end a word: "ig<b>no</b>re" reads "ignore". Any other stands on a line of its own.
# fmt: off
_INLINE = frozenset((
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em",
    "font", "i", "ins", "kbd", "label", "mark", "nobr", "q", "rp", "rt", "ruby", "s", "samp",
    "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr",
))
# fmt: on
# Attributes made for people; any other is read where it holds prose, save for those that never do.
_SPOKEN = frozenset({"alt", "title", "content", "placeholder", "value", "label", "summary", "aria-label", "srcdoc"})
_SILENT = frozenset({"class", "style", "id", "rel", "href", "src", "srcset", "sizes", "d"})
_CODE_END = {name: re.compile(rf"</{name}", re.IGNORECASE) for name in ("script", "style")}
_PROGRAM = re.compile(r"javascript|ecmascript|module|importmap|^$", re.IGNORECASE)
_CODE_BREAKS = re.compile(r"[\"'`\n]|/\*|\*/|//")
_SENTENCE = 4
_WORD = re.compile(r"[^\W\d_]{2,}")


def html_text(page: str) -> str:
    """All text of `page` in its order: visible, hidden, comments, attributes meant for people, prose inside scripts."""
    reader = _Reader(page)
    reader.read()
    lines = (" ".join(line.split()) for line in "".join(reader.out).split("\n"))
    return "\n".join(line for line in lines if line)


class _Reader:
    """One pass over a page. Every method that takes a position returns the one to go on from, always further on."""

    def __init__(self, page: str) -> None:
        self.page = page
        self.out: list[str] = []

    def read(self) -> None:
        position, end = 0, len(self.page)
        while position < end:
            opening = self.page.find("<", position)
            opening = end if opening < 0 else opening
            self.out.append(_unescaped(self.page[position:opening]))
            position = self._markup(opening) if opening < end else end

    def _markup(self, at: int) -> int:
        page = self.page
        if page.startswith("<!--", at):
            return self._remark(at + 4, "-->")
        if page.startswith("<![CDATA[", at):
            return self._remark(at + 9, "]]>")
        if page.startswith(("<!", "<?"), at):
            return self._remark(at + 2, ">")
        closing = page.startswith("</", at)
        name = _NAME.match(page, at + (2 if closing else 1))
        if name is None:
            self.out.append("<")
            return at + 1
        return self._tag(name[0].lower(), name.end(), closing)

    def _remark(self, start: int, mark: str) -> int:
        """A comment or declaration; without its end it reaches to the end of the page."""
        end = self.page.find(mark, start)
        end = len(self.page) if end < 0 else end
        if not self.page[start : start + 8].lower().startswith(("doctype", "xml ")):
            self._line(_unescaped(self.page[start:end]))
        return end + len(mark)

    def _tag(self, name: str, position: int, closing: bool) -> int:
        kind = ""
        spoken: list[str] = []
        bare: list[str] = []  # attributes without a value: a row of them is a sentence
        while (found := _ATTRIBUTE.match(self.page, position)) is not None:
            attribute, value = found[1].lower(), _unescaped((found[2] or "").strip("\"'"))
            kind = value if attribute == "type" else kind
            bare += [found[1]] if attribute and not value else []
            if value and (attribute in _SPOKEN or (attribute not in _SILENT and _is_prose(value))):
                spoken.append(value)
            position = max(found.end(), position)
            if position >= len(self.page) or self.page[position] == ">":
                break
            position += found.end() == found.start()  # a stray "=": step over it
        self.out.append("\t" if name in ("td", "th") else "" if name in _INLINE else "\n")
        if len(bare) >= _SENTENCE:
            spoken.append(" ".join(bare))
        for value in spoken:
            self._line(value)
        if name in _CODE_END and not closing:
            return self._code(name, kind, position + 1)
        return position + 1

    def _code(self, name: str, kind: str, start: int) -> int:
        """A script or a style sheet: data is read whole, of a program only comments and strings that are prose."""
        found = _CODE_END[name].search(self.page, start)
        end = found.start() if found else len(self.page)
        body = self.page[start:end]
        if name == "script" and not _PROGRAM.search(kind):
            self._line(body)
        else:
            self.out += [f"\n{piece}\n" for piece in _CODE_BREAKS.split(body) if _is_prose(piece)]
        return end

    def _line(self, text: str) -> None:
        self.out.append(f"\n{text}\n")


def _is_prose(text: str) -> bool:
    """Four words or more, and mostly words."""
    words = _WORD.findall(text)
    return len(words) >= _SENTENCE and sum(map(len, words)) >= 0.6 * len(text.strip()) and " " in text


def _unescaped(text: str) -> str:
    if "&" not in text:
        return text
    try:
        return html.unescape(text)
    except ValueError:  # a character reference of thousands of digits
        return text
