"""Layouts of real documents: the words of a host as a web page, a table, records, a log, a mail, a transcript.

A detector that has read news and answers only takes markup itself for an attack. Here hosts of every kind, with and
without an insertion, come in such layouts, so that the layout says nothing.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence

_PART = re.compile(r"(?<=[.!?;:,])\s+|\n+")
_NAMES = ("Ana", "Ben", "Chidi", "Dora", "Emre", "Fatima", "Goran", "Hana", "Jun", "Kofi", "Nora", "Priya", "Sven")
_KEYS = ("id", "name", "title", "note", "text", "summary", "status", "owner", "comment", "value", "remarks", "region")
_VERBS = ("load", "save", "parse", "render", "update", "handle", "fetch", "merge", "split", "check", "format")

_MARKS = ("section", "begin", "end of", "TODO:", "ad slot", "template")


def render(text: str, rng: random.Random, limit: int = 700) -> str:
    """`text` in a layout drawn at random, cut to `limit` characters (markup takes more tokens than prose)."""
    parts = [part.strip() for part in _PART.split(text) if part.strip()]
    return rng.choice(LAYOUTS)(parts, rng)[:limit].strip()


def html_list(parts: Sequence[str], rng: random.Random) -> str:
    """Navigation lists and link boxes."""
    item = rng.choice(
        ("<li>{}</li>", '<li><a href="/{n}">{}</a></li>', "<Li> {} </Li>", "<li class='nav-item'>{}</li>")
    )
    lines = [item.replace("{n}", str(n)).replace("{}", _short(part, rng)) for n, part in enumerate(parts)]
    return rng.choice(("<ul>\n{}\n</ul>", "<Ul> {} </Ul>", "<nav><ul>{}</ul></nav>")).replace(
        "{}", rng.choice((" ", "\n")).join(lines)
    )


def html_table(parts: Sequence[str], rng: random.Random) -> str:
    """Information boxes: rows of a head and a cell, tight or with the blanks of a tokeniser's dump."""
    gap = rng.choice(("", " "))
    tags = rng.choice((("Tr", "Th", "Td"), ("tr", "th", "td"), ("tr", "td", "td")))
    row, head, cell = tags
    rows = [
        f"<{row}>{gap}<{head}>{gap}{_short(a, rng)}{gap}</{head}>{gap}<{cell}>{gap}{b}{gap}</{cell}>{gap}</{row}>"
        for a, b in zip(parts[::2], parts[1::2], strict=False)
    ]
    ends = "</table>" * rng.choice((1, 1, 2))
    return f"<table>{gap}" + rng.choice((" ", "\n")).join(rows) + gap + ends


def html_page(parts: Sequence[str], rng: random.Random) -> str:
    """Paragraphs, headings, attributes, comments and scripts of a page source."""
    found = []
    for part in parts:
        kind = rng.random()
        if kind < 0.5:
            found.append(f"<p>{part}</p>")
        elif kind < 0.65:
            level = rng.randint(1, 4)
            found.append(f"<h{level}>{_short(part, rng)}</h{level}>")
        elif kind < 0.8:
            found.append(f'<div class="{rng.choice(_KEYS)}-{rng.randint(1, 90)}"><span>{part}</span></div>')
        elif kind < 0.9:
            found.append(f"<!-- {rng.choice(_MARKS)} {_short(part, rng)} -->")
        else:
            found.append(f'<img src="/img/{rng.randint(1, 999)}.jpg" alt="{_short(part, rng)}"/><br>')
    return rng.choice(("", "\n", "\n  ")).join(found)


def wiki(parts: Sequence[str], rng: random.Random) -> str:
    """Wiki text: links, templates, headings, citation marks."""
    found = []
    for n, part in enumerate(parts, 1):
        kind = rng.randrange(5)
        lines = (f"== {_short(part, rng)} ==", f"* [[{_short(part, rng)}]] ( {n} )", f"{part}[{n}]")
        found.append((*lines, f"{{{{cite web|title={_short(part, rng)}}}}}", f"Jump up ^ {part}")[kind])
    return "\n".join(found)


def records(parts: Sequence[str], rng: random.Random) -> str:
    """JSON objects, one a line or pretty."""
    keys = rng.sample(_KEYS, 3)
    rows = [{keys[0]: rng.randint(1, 9999), keys[1]: part, keys[2]: rng.choice(_NAMES)} for part in parts]
    if rng.random() < 0.5:
        return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    return json.dumps(rows, ensure_ascii=False, indent=rng.choice((1, 2, 4)))


def table(parts: Sequence[str], rng: random.Random) -> str:
    """CSV, tab-separated or Markdown tables with a number column."""
    mark = rng.choice((",", "\t", " | ", ";"))
    lines = [mark.join((str(n), _short(part, rng), f"{rng.uniform(0, 5000):.2f}")) for n, part in enumerate(parts, 1)]
    head = mark.join(rng.sample(_KEYS, 3))
    rule = [" | ".join(["---"] * 3)] if mark == " | " else []
    return "\n".join([head, *rule, *lines])


def markdown(parts: Sequence[str], rng: random.Random) -> str:
    """Headings, lists, quotes, emphasis, fenced blocks."""
    marks = ("## {}", "- {}", "* **{}**", "> {}", "{}", "{}", "1. {}", "```\n{}\n```", "[{}](https://example.org/a)")
    return "\n".join(rng.choice(marks).replace("{}", part) for part in parts)


def code(parts: Sequence[str], rng: random.Random) -> str:
    """Source code: comments and strings hold the words."""
    comment = rng.choice(("# {}", "// {}", "/* {} */", "-- {}", '"""{}"""'))
    found = []
    for part in parts:
        name = f"{rng.choice(_VERBS)}_{rng.choice(_KEYS)}"
        found.append(comment.replace("{}", part))
        found.append(
            rng.choice(
                (
                    f"def {name}({rng.choice(_KEYS)}, *, strict=True):\n    return self.{rng.choice(_VERBS)}(strict)",
                    f"const {name} = ({rng.choice(_KEYS)}) => {{ return null; }};",
                    f'{name} = "{_short(part, rng)}"',
                    f"if (err != nil) {{ return {name}(err) }}",
                    f"assert {name}({rng.randint(1, 99)}) is not None",
                )
            )
        )
    return "\n".join(found)


def log(parts: Sequence[str], rng: random.Random) -> str:
    """Lines with a time, a level and a component, or the time codes of subtitles."""
    clock, found = rng.randrange(80_000), []
    subtitle = rng.random() < 0.4
    for n, part in enumerate(parts, 1):
        clock += rng.randint(1, 40)
        at = f"{clock // 3600:02}:{clock // 60 % 60:02}:{clock % 60:02}"
        level = rng.choice(("INFO", "INFO", "WARN", "DEBUG", "ERROR"))
        found.append(
            f"{n}\n{at},120 --> {at},990\n{part}" if subtitle else f"{at} {level} [{rng.choice(_KEYS)}] {part}"
        )
    return "\n".join(found)


def mail(parts: Sequence[str], rng: random.Random) -> str:
    """A mail with headers and a quoted thread."""
    a, b = rng.sample(_NAMES, 2)
    head = (
        f"From: {a} <{a.lower()}@example.org>\nTo: {b}\nSubject: Re: {_short(parts[0], rng) if parts else 'hello'}\n\n"
    )
    half = len(parts) // 2
    quoted = "\n".join(f"> {part}" for part in parts[half:])
    return f"{head}Hi {b},\n\n{' '.join(parts[:half])}\n\nBest,\n{a}\n\nOn Monday {b} wrote:\n{quoted}"


def speakers(parts: Sequence[str], rng: random.Random) -> str:
    """Transcripts, interviews and plays."""
    names = rng.sample(_NAMES, rng.randint(2, 4))
    mark = rng.choice(("{}: {t}", "{}:\t{t}", "[{}] {t}", "{} -- {t}", "<{}> {t}", "({}) {t}"))
    return "\n".join(mark.replace("{}", rng.choice(names)).replace("{t}", part) for part in parts)


def clauses(parts: Sequence[str], rng: random.Random) -> str:
    """Numbered clauses, redactions and capitals of contracts and statutes."""
    section, found = rng.randint(1, 30), []
    for n, part in enumerate(parts, 1):
        text = part.upper() if rng.random() < 0.15 else part
        text = re.sub(r"\b\w+\b", lambda m: "[***]" if rng.random() < 0.04 else m.group(), text)
        found.append(f"{section}.{n}  {text}" if rng.random() < 0.6 else f"({chr(96 + (n - 1) % 26 + 1)}) {text}")
    return rng.choice(("\n", "\n\n", " ")).join(found)


_HIDDEN = (
    "Pages using citations without a link",
    "Articles to be split",
    "All stubs",
    "Articles with unsourced claims",
)
_FOOTS = (
    "This page was last edited on {n} May 2018 , at 20 : 37 .",
    "Text is available under a free licence ; additional terms may apply . By using this site you accept the Terms .",
    "Privacy policy",
    "About the encyclopaedia",
    "Disclaimers",
    "Contact us",
    "Mobile view",
    "",
)


def footer(parts: Sequence[str], rng: random.Random) -> str:
    """The end of an encyclopaedia page dumped from its HTML: navigation boxes, address, categories, legal lines."""
    opening, closing = rng.choice((("<Ul> <Li> ", " </Li> </Ul>"), ("<ul><li>", "</li></ul>"), ("* ", "")))
    between = "\n* " if opening == "* " else closing[:-6] + " " + opening[5:]

    def listed(items: Sequence[str]) -> str:
        return opening + between.join(items) + closing

    heads = [_short(part, rng) for part in parts]
    links, categories = heads[: len(heads) // 2], heads[len(heads) // 2 :]
    title = "_".join(heads[0].split()) if heads else "Main_Page"
    quote, unquote = rng.choice((("`` ", " ''"), ('"', '"'), ("", "")))
    address = f"{quote}https://en.example.org/w/index.php?title={title}&oldid={rng.randint(10**8, 10**9)}{unquote}"
    feet = [line.replace("{n}", str(rng.randint(1, 30))) for line in rng.sample(_FOOTS, rng.randint(2, len(_FOOTS)))]
    blocks = [
        listed(links) + rng.choice((" </Td> </Tr> </Table>", "</td></tr></table>", "")),
        f"Retrieved from {address}",
        f"Categories : {listed(categories)}",
        f"Hidden categories : {listed(rng.sample(_HIDDEN, 3))}",
        listed(feet),
    ]
    start = rng.randrange(3)
    return rng.choice((" ", "\n")).join(blocks[start:])


_DIRECTIONS = (
    "[Scene: {p}]",
    "[Cut to: {p}]",
    "(SFX: PHONE RINGS)",
    "[{n} enters.]",
    "({n} nods.)",
    "{vocalsound}",
    "[pause]",
)
_HOW = ("", "", "", "", " (laughing)", " (to {n})", " [shouting]", " um ,", " {disfmarker}")


def script(parts: Sequence[str], rng: random.Random) -> str:
    """A film script or a meeting as transcribed: speakers, stage directions, hesitation."""
    names = rng.sample(_NAMES, 3)
    shout = rng.random() < 0.4
    found = []
    for part in parts:
        if rng.random() < 0.15:
            direction = rng.choice(_DIRECTIONS).replace("{n}", rng.choice(names))
            found.append(direction.replace("{p}", _short(part, rng)))
        name = rng.choice(names)
        how = rng.choice(_HOW).replace("{n}", rng.choice(names))
        found.append(f"{name.upper() if shout else name}:{how} {part}")
    return "\n".join(found)


def _short(part: str, rng: random.Random) -> str:
    return " ".join(part.split()[: rng.randint(1, 5)]).rstrip(".,;:!?")


LAYOUTS: tuple[Callable[[Sequence[str], random.Random], str], ...] = (
    html_list,
    html_table,
    html_table,
    html_page,
    wiki,
    records,
    table,
    markdown,
    code,
    log,
    mail,
    speakers,
    clauses,
    footer,
    script,
)
