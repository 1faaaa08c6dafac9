"""Reading files: text, Markdown, HTML, PDF and DOCX to one string each, and JSON lines record by record.

PDF and DOCX need the extra `documents`; the rest works with the base install. Everything a model might be shown is
read, also what people do not see: comments, hidden elements, alternative texts, annotations, deleted text, properties.
"""

from __future__ import annotations

import gzip
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, NoReturn

from guardian import _charset
from guardian.errors import InputError, MissingExtra

if TYPE_CHECKING:
    from pypdf import PdfReader
    from pypdf._page import PageObject

Kind = Literal["text", "markdown", "html", "pdf", "docx"]
SUPPORTED = "text and Markdown in UTF-8, UTF-16 or Latin-1, HTML, PDF, DOCX, JSON lines (.jsonl)"
MAX_STRUCTURED_BYTES = 1 << 28
"""HTML, PDF and DOCX must be read whole; 256 MiB, and as much for what a DOCX unpacks to, is where that ends."""

MAX_LINE_BYTES = 1 << 26
"""The longest record of a JSON-lines file that is read."""

_SUFFIXES: dict[str, Kind] = {
    ".md": "markdown", ".markdown": "markdown", ".html": "html", ".htm": "html", ".xhtml": "html", ".pdf": "pdf",
    ".docx": "docx",
}  # fmt: skip
_PDF_MARK, _ZIP_MARK, _OLE_MARK = b"%PDF-", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# What the two libraries raise on files that are damaged, beyond their own errors: they trust the file's structure.
# SyntaxError is that of lxml, which python-docx parses with.
_DAMAGED = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, OSError, RuntimeError, SyntaxError,
    TypeError, ValueError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


class UnsupportedInput(InputError):
    """The file is of no supported type. A folder is scanned without it; a file that was asked for is an error.

    `what` says why, in short.
    """

    def __init__(self, name: str, what: str) -> None:
        super().__init__(f"{name}: {what}; supported are {SUPPORTED}")
        self.args = (name, what)  # what pickling hands to this method again
        self.what = what

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Document:
    """A file as text. `notes` say what was replaced or could not be read, for people; they never hold the text."""

    text: str
    kind: Kind
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenDocument:
    """A file about to be read. `blocks` gives its text piece by piece: plain text of any size needs little memory."""

    kind: Kind
    blocks: Iterator[str]
    notes: tuple[str, ...] = ()


def read_document(path: str | Path) -> Document:
    """The text of a file.

    Raises InputError, naming the file, where it cannot be read, is damaged, encrypted or of no supported type, and
    MissingExtra for a PDF or DOCX without the extra `documents`.
    """
    try:
        with Path(path).open("rb") as file:
            opened = open_document(file, str(path))
            return Document("".join(opened.blocks), opened.kind, opened.notes)
    except OSError as error:
        raise InputError(f"{path}: {_reason(error)}") from error


def open_document(file: BinaryIO, name: str) -> OpenDocument:
    """As `read_document`, over a seekable file that stays open while `blocks` is used. `name` gives the suffix."""
    kind = _kind_of(file, name)
    if kind in ("text", "markdown"):
        charset = _detect(file, name)
        return OpenDocument(kind, _charset.decode(file, charset), (charset.note,) if charset.note else ())
    if _size(file) > MAX_STRUCTURED_BYTES:
        raise InputError(f"{name}: larger than {MAX_STRUCTURED_BYTES >> 20} MiB, the most that is read of this type")
    read: Callable[[BinaryIO, str], Document] = {"html": _read_html, "pdf": _read_pdf, "docx": _read_docx}[kind]
    document = read(file, name)
    return OpenDocument(kind, iter((document.text,)), document.notes)


def _kind_of(file: BinaryIO, name: str) -> Kind:
    """By content where it is unmistakable, else by suffix; text of any other suffix is read as text."""
    file.seek(0)
    head = file.read(1024)
    suffix = Path(name).suffix.lower()
    expected = _SUFFIXES.get(suffix)
    if not head:
        return expected if expected in ("markdown", "html") else "text"
    if head.startswith(_PDF_MARK) or (expected == "pdf" and _PDF_MARK in head):
        return "pdf"
    if head.startswith(_ZIP_MARK) and (expected == "docx" or _is_docx(file)):
        return "docx"
    if expected == "pdf":
        raise InputError(f"{name}: not a PDF, in spite of its name: it does not begin with %PDF")
    if expected == "docx":
        raise InputError(f"{name}: {_not_docx(head)}")
    if head.startswith((_ZIP_MARK, _OLE_MARK, b"{\\rtf")):
        _refuse(name, f"{suffix or 'this file type'} is not supported")
    if expected is None and head.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return "html"
    return expected or "text"


def _refuse(name: str, what: str) -> NoReturn:
    raise UnsupportedInput(name, what)


def _not_docx(head: bytes) -> str:
    if head.startswith(_OLE_MARK):
        return "encrypted with a password, or in the older .doc format; save it as an open .docx first"
    return "not a DOCX, in spite of its name: it is no ZIP archive"


def _is_docx(file: BinaryIO) -> bool:
    try:
        with zipfile.ZipFile(file) as archive:
            return "word/document.xml" in archive.namelist()
    except _DAMAGED:
        return False


def _detect(file: BinaryIO, name: str) -> _charset.Charset:
    try:
        return _charset.detect(file)
    except _charset.BinaryData:
        _refuse(name, "binary data, not text")


def _size(file: BinaryIO) -> int:
    return file.seek(0, 2)


def _reason(error: OSError) -> str:
    return (error.strerror or "cannot be read").lower()


def _missing(package: str, kind: str) -> MissingExtra:
    return MissingExtra(
        "documents",
        f'reading {kind} needs {package}, which is not installed: pip install "slm-guardian[documents]"',
    )


def _read_html(file: BinaryIO, name: str) -> Document:
    from guardian._html import html_text

    charset = _detect(file, name)
    page = "".join(_charset.decode(file, charset))
    return Document(html_text(page), "html", (charset.note,) if charset.note else ())


# ---- JSON lines ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Record:
    """One line of a JSON-lines file: its number from 1, the text of the field, and its length in bytes."""

    line: int
    text: str
    size: int


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A line that gives no text, and why. The lines after it are read all the same."""

    line: int
    problem: str
    size: int


def is_records(path: str | Path) -> bool:
    """By its name, whether a file holds JSON lines."""
    return str(path).lower().endswith((".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz"))


def iter_records(path: str | Path, field: str = "text") -> Iterator[Record | BadRecord]:
    """The text in `field` of every line of a JSON-lines file (plain or .gz), one line in memory at a time.

    `field` may be a dotted path: `messages.0.content`. InputError names a file that cannot be read to its end.
    """
    name = str(path)
    try:
        with Path(path).open("rb") as file:
            unpacked: Any = gzip.GzipFile(fileobj=file) if name.lower().endswith(".gz") else file
            yield from read_records(unpacked, field)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{name}: broken or truncated gzip data") from error
    except OSError as error:
        raise InputError(f"{name}: {_reason(error)}") from error


def read_records(file: BinaryIO, field: str = "text") -> Iterator[Record | BadRecord]:
    """As `iter_records`, over an open binary file, which need not be seekable. Empty lines are passed over."""
    number = 0
    while line := file.readline(MAX_LINE_BYTES):
        number += 1
        if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            while (rest := file.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
            yield BadRecord(number, f"longer than {MAX_LINE_BYTES >> 20} MiB", len(line))
        elif line.strip():
            yield _record(number, line, field)


def _record(number: int, line: bytes, field: str) -> Record | BadRecord:
    try:
        value = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8", errors="replace"))
        return Record(number, _text_at(value, field), len(line))
    except InputError as error:
        return BadRecord(number, error.message, len(line))
    except json.JSONDecodeError as error:
        return BadRecord(number, f"not JSON: {error.msg.lower()} at column {error.colno}", len(line))
    except (
        ValueError,
        RecursionError,
    ) as error:  # a number of thousands of digits, a nest of thousands of brackets
        return BadRecord(number, f"not JSON that can be read ({type(error).__name__})", len(line))


def _text_at(value: Any, field: str) -> str:
    """The string that the dotted path leads to; a key that itself holds dots wins."""
    found: Any = value
    walked = ""
    for key in (field,) if isinstance(value, dict) and field in value else field.split("."):
        if isinstance(found, dict) and key in found:
            found = found[key]
        elif isinstance(found, list) and key.isascii() and key.isdigit() and int(key) < len(found):
            found = found[int(key)]
        else:
            where = f"under {walked!r}" if walked else "in this record"
            keys = f"; there is {_keys(found)}" if isinstance(found, dict) and found else ""
            raise InputError(f"no field {key!r} {where}{keys}")
        walked = f"{walked}.{key}" if walked else key
    if not isinstance(found, str):
        raise InputError(f"field {field!r} holds {_JSON_NAMES.get(type(found), 'no text')}, not a string")
    return found


def _keys(record: Mapping[str, Any]) -> str:
    """A few keys, cut: in a record of any origin they may be as long as a text, and errors never say one."""
    return ", ".join(key[:_KEY_CHARS] for key in sorted(record)[:8])


_KEY_CHARS = 40
_JSON_NAMES = {dict: "an object", list: "a list", int: "a number", float: "a number", bool: "true or false"}


# ---- PDF -------------------------------------------------------------------------------------------------------------


def _read_pdf(file: BinaryIO, name: str) -> Document:
    try:
        import pypdf
    except ModuleNotFoundError as error:
        raise _missing("pypdf", "PDF") from error
    from pypdf.errors import DependencyError, PyPdfError

    file.seek(max(0, _size(file) - 2048))
    if b"%%EOF" not in file.read():
        raise InputError(f"{name}: truncated PDF: its end-of-file mark is missing")
    file.seek(0)
    try:
        reader = pypdf.PdfReader(file)
        # Many files are encrypted with an empty password, only to forbid printing: those anyone can read.
        if reader.is_encrypted and not reader.decrypt(""):
            raise InputError(f"{name}: encrypted PDF: it needs a password")
        properties = _pdf_properties(reader)
        pages = reader.pages
        count = len(pages)
    except DependencyError as error:
        raise InputError(f"{name}: encrypted PDF: its cipher needs the package cryptography") from error
    except (PyPdfError, *_DAMAGED) as error:
        raise InputError(f"{name}: broken PDF ({type(error).__name__})") from error
    texts: list[str] = []
    for number in range(count):
        try:
            texts.append(_pdf_page(pages[number]))
        except (PyPdfError, *_DAMAGED) as error:
            what = f"page {number + 1} cannot be read ({type(error).__name__})"
            raise InputError(f"{name}: broken PDF: {what}") from error
    empty = sum(not text.strip() for text in texts)
    notes = (f"{empty} of {count} pages hold no text; pictures are not read",) if empty else ()
    return Document("\n".join(part for part in (*properties, *texts) if part.strip()), "pdf", notes)


def _pdf_properties(reader: PdfReader) -> list[str]:
    found: Mapping[str, Any] = reader.metadata or {}
    return [str(found[key]) for key in ("/Title", "/Subject", "/Keywords") if found.get(key)]


def _pdf_page(page: PageObject) -> str:
    """The page's text, then its annotations and form fields."""
    texts = [page.extract_text()]
    for reference in page.get("/Annots") or ():
        annotation = reference.get_object()
        values = (annotation.get(key) for key in ("/Contents", "/V", "/TU"))
        texts += [str(value) for value in values if value]
    return "\n".join(texts)


# ---- DOCX ------------------------------------------------------------------------------------------------------------

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_ART = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_CHART = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_NUMBERS = f"{_CHART}numCache"  # the values that a chart is drawn from: no text
_CHOICE = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Choice"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}docPr"
# Text, deleted text, the code of fields, equations, drawings, what charts show; what stands for a tab and for a line;
# what begins a paragraph.
_MARKS = {f"{_W}tab": "\t", f"{_W}noBreakHyphen": "-"}
_MARKS |= dict.fromkeys((f"{_W}br", f"{_W}cr", f"{_W}p", f"{_ART}br", f"{_ART}p", f"{_CHART}pt"), "\n")
_TEXTS = frozenset({f"{_W}t", f"{_W}delText", f"{_W}instrText", f"{_MATH}t", f"{_ART}t", f"{_CHART}v"})
_PARTS = ("document", "header", "footer", "footnotes", "endnotes", "comments", "diagramData", "chart")


def _read_docx(file: BinaryIO, name: str) -> Document:
    try:
        import docx
    except ModuleNotFoundError as error:
        raise _missing("python-docx", "DOCX") from error
    from docx.opc.exceptions import OpcError

    try:
        with zipfile.ZipFile(file) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MAX_STRUCTURED_BYTES:
                raise InputError(f"{name}: this DOCX unpacks to more than {MAX_STRUCTURED_BYTES >> 20} MiB")
        file.seek(0)
        opened = docx.Document(file)
        return Document("\n".join(_docx_texts(opened)), "docx")
    except (OpcError, *_DAMAGED) as error:
        what = "truncated or damaged archive" if isinstance(error, zipfile.BadZipFile) else type(error).__name__
        raise InputError(f"{name}: broken DOCX ({what})") from error


def _docx_texts(document: Any) -> Iterator[str]:
    """Body with tables and text boxes, then headers, footers, notes, comments, diagrams and charts, in the order of the
    file's parts.

    The parts are walked as XML rather than through python-docx's paragraphs, which leave out text boxes, tracked
    changes and notes.
    """
    properties = document.core_properties
    yield from filter(None, (properties.title, properties.subject, properties.keywords, properties.comments))
    parts = [part for part in document.part.package.iter_parts() if _docx_rank(part) is not None]
    for part in sorted(parts, key=lambda part: (_docx_rank(part), str(part.partname))):
        text = _DocxText(_docx_root(part)).joined()
        if text.strip():
            yield text.strip("\n")


def _docx_rank(part: Any) -> int | None:
    kind = part.content_type
    if "wordprocessingml" not in kind and "drawingml" not in kind:
        return None
    return next((n for n, name in enumerate(_PARTS) if kind.endswith((f".{name}+xml", f".{name}.main+xml"))), None)


def _docx_root(part: Any) -> Any:
    from docx.oxml.parser import parse_xml

    element = getattr(part, "element", None)  # parts that python-docx has no class for come as bytes
    return parse_xml(part.blob) if element is None else element


class _DocxText:
    """The text of one part, in order.

    A Fallback is the same drawing again for older programs, and left out where it says what a Choice before it says,
    word for word. What it says otherwise stays: some readers take just that.
    """

    def __init__(self, root: Any) -> None:
        self._pieces: list[str] = []
        self._chars = 0
        self._alternatives: list[tuple[int, str]] = []  # apart, as a copy need not have them; with where they stand
        self._described: set[str] = set()
        self._walk(root, None)

    def joined(self) -> str:
        """All of it."""
        joined: list[str] = []
        done = 0
        for position, text in self._alternatives:
            joined += (*self._pieces[done:position], f"\n{text}\n")
            done = position
        return "".join((*joined, *self._pieces[done:]))

    def _walk(self, element: Any, copied: int | None) -> None:
        """`copied` is where the outermost Fallback around `element` begins."""
        if element.tag == _NUMBERS:
            return
        self._take(element, copied)
        # The text of Choices is put together only to compare it with a Fallback of the same length: nested as they may
        # be, that is little more than the part itself.
        choices: dict[int, list[slice]] = {}
        said: dict[int, set[str]] = {}
        for child in element:
            start, before = len(self._pieces), self._chars
            if child.tag != _FALLBACK:
                self._walk(child, copied)
                if child.tag == _CHOICE:
                    choices.setdefault(self._chars - before, []).append(slice(start, len(self._pieces)))
                continue
            self._walk(child, start if copied is None else copied)
            chars = self._chars - before
            if chars in choices:
                said.setdefault(chars, set()).update("".join(self._pieces[span]) for span in choices.pop(chars))
            if chars in said and "".join(self._pieces[start:]) in said[chars]:
                del self._pieces[start:]
                self._chars = before

    def _take(self, element: Any, copied: int | None) -> None:
        """What an element says itself."""
        text = _MARKS.get(element.tag, "")
        if element.tag in _TEXTS:
            text = "".join((element.text or "", *(inner.tail or "" for inner in element)))  # around XML comments
        elif element.tag == _DRAWING and (described := element.get("descr")):
            if copied is None or described not in self._described:
                self._alternatives.append((len(self._pieces) if copied is None else copied, described))
            self._described.add(described)
        if text:
            self._pieces.append(text)
            self._chars += len(text)
