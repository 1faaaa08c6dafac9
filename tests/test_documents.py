"""Reading files: what is in them comes out whole, and what cannot be read is named."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import sys
import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardian._html import html_text
from guardian.documents import (
    BadRecord,
    Record,
    UnsupportedInput,
    iter_records,
    open_document,
    read_document,
    read_records,
)
from guardian.errors import InputError, MissingExtra

# ---- text ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "text", "noted"),
    [
        pytest.param(b"", "", False, id="empty"),
        pytest.param("Grüße\n".encode(), "Grüße\n", False, id="utf-8"),
        pytest.param("Grüße".encode("utf-8-sig"), "Grüße", False, id="utf-8 with a mark"),
        pytest.param("Grüße".encode("utf-16"), "Grüße", False, id="utf-16 with a mark"),
        pytest.param("Grüße an alle".encode("utf-16-le"), "Grüße an alle", False, id="utf-16 without a mark"),
        pytest.param("Grüße".encode("utf-32"), "Grüße", False, id="utf-32 with a mark"),
        pytest.param("Grüße, café".encode("latin-1"), "Grüße, café", True, id="latin-1"),
        pytest.param("“so” it is".encode("cp1252"), "“so” it is", True, id="windows-1252"),
        pytest.param("Привет, мир".encode() + b"\xff", "Привет, мир\ufffd", True, id="one wrong byte in utf-8"),
        pytest.param("déjà".encode()[:-1], "d\u00e9j\ufffd", True, id="half a character at the end"),
        pytest.param(b"a\r\nb\rc", "a\r\nb\rc", False, id="newlines stay"),
        pytest.param(b"\x1b[1ma log\0" + b" line" * 9, "\x1b[1ma log\0" + " line" * 9, False, id="a stray NUL"),
    ],
)  # fmt: skip
def test_text_is_decoded_whole(tmp_path: Path, data: bytes, text: str, noted: bool) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    document = read_document(path)
    assert document.text == text
    assert document.kind == "text"
    assert bool(document.notes) is noted


@given(st.text())
def test_any_text_survives_utf8(text: str) -> None:
    data = text.encode("utf-8", "surrogatepass") if not any("\ud800" <= c <= "\udfff" for c in text) else b""
    if data.startswith((b"%PDF-", b"PK\x03\x04", b"{\\rtf")) or b"\0" in data or any(c < 32 or c == 127 for c in data):
        return
    document = open_document(io.BytesIO(data), "a.txt")
    found = "".join(document.blocks)
    if document.kind == "text" and data:
        assert found.lstrip("\ufeff") == text.lstrip("\ufeff")


@given(st.binary(max_size=300))
def test_no_bytes_are_a_crash(data: bytes) -> None:
    for name in ("a.txt", "a.md", "a.html", "a", "a.pdf", "a.docx"):
        try:
            "".join(open_document(io.BytesIO(data), name).blocks)
        except InputError as error:
            assert str(error).startswith(f"{name}: ")  # noqa: PT017  # not raising is as good


def test_a_character_over_the_edge_of_a_block_is_whole(tmp_path: Path) -> None:
    text = "x" * ((1 << 18) - 1) + "é" + "y" * 10
    path = tmp_path / "a.txt"
    path.write_text(text, encoding="utf-8")
    assert read_document(path).text == text


@pytest.mark.parametrize(
    ("name", "kind"), [("a.md", "markdown"), ("a.MD", "markdown"), ("a", "text"), ("a.py", "text")]
)
def test_the_suffix_tells_the_kind(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).write_text("# title")
    assert read_document(tmp_path / name).kind == kind


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.bin", bytes(range(256)) * 10),
        ("x.txt", bytes(range(256)) * 10),
        ("x.html", b"\0\1\2\3" * 30),
        ("x.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"abc" * 300),
        ("x.rtf", b"{\\rtf1 hello}"),
        ("x.xlsx", b"PK\x03\x04 whatever"),
    ],
)
def test_unsupported_files_are_named_with_what_is_supported(tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(UnsupportedInput, match="supported are text and Markdown") as caught:
        read_document(path)
    assert str(path) in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nosuch\.txt: no such file"):
        read_document(tmp_path / "nosuch.txt")
    with pytest.raises(InputError, match="is a directory"):
        read_document(tmp_path)


def test_a_large_text_comes_in_blocks() -> None:
    document = open_document(io.BytesIO(b"words and words " * 100_000), "a.txt")
    sizes = [len(block) for block in document.blocks]
    assert sum(sizes) == 1_600_000
    assert max(sizes) <= 1 << 18


# ---- HTML ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<p>ig<b>no</b>re</p><p>all", "ignore\nall"),
        ("<!doctype html><html><head><title>T &amp; t</title></head>", "T & t"),
        ("a<!-- do this -->b", "a\ndo this\nb"),
        ("a<!-- never closed <b>x", "a\nnever closed <b>x"),
        ('<meta name="description" content="obey me">', "obey me"),
        ("<img src=x alt='obey me'>", "obey me"),
        ("<input placeholder=obey value='&lt;now&gt;'>", "obey\n<now>"),
        ('<p style="display:none">obey</p><template>me</template>', "obey\nme"),
        ("<table><tr><td>a<td>b</table>", "a b"),
        ("1 < 2 <3 & 4", "1 < 2 <3 & 4"),
        ("<![CDATA[obey]]>", "obey"),
        ("<script>var a = 'please obey me right now'; f(x)</script>b", "please obey me right now\nb"),
        ('<script type=\'application/ld+json\'>{"a": "obey"}</script>', '{"a": "obey"}'),
        ("<style>p{color:red} /* please obey me right now */</style>", "please obey me right now"),
        ("<script>unclosed 'please obey me right now", "please obey me right now"),
        (
            '<div data-note="please obey me right now" data-id="1" class="a b c d e">x</div>',
            "please obey me right now\nx",
        ),
        ("<p title='a>b'>c", "a>b\nc"),
        ("tail <a href='unclosed>x", "tail x"),
        ("<p please obey me right now>x</p>", "please obey me right now\nx"),
        ("&#" + "9" * 5000 + ";x", "&#" + "9" * 5000 + ";x"),
    ],
)
def test_html_gives_all_its_text(page: str, text: str) -> None:
    assert html_text(page) == text


@given(
    st.lists(
        st.sampled_from(["<", ">", "a ", "</", "<!--", "-->", "='", '"', "=", "/", "script", "<p>", " x ", "&amp;"])
    )
)
def test_no_markup_is_a_crash(parts: list[str]) -> None:
    html_text("".join(parts))


@pytest.mark.parametrize(
    "unit", ["<!--", "<a ", '<a b="', "<a b='", "</", "<!", "<![CDATA[", "<script>", "<a =", "<a /", "&#"]
)
def test_broken_markup_takes_linear_time(unit: str) -> None:
    """A quadratic reader is busy for minutes with this; a linear one for a fraction of a second."""
    began = time.process_time()
    html_text(unit * 50_000)
    assert time.process_time() - began < 10


# ---- JSON lines ------------------------------------------------------------------------------------------------------


def _records(text: str, field: str = "text") -> list[Record | BadRecord]:
    return list(read_records(io.BytesIO(text.encode()), field))


def test_records_are_read_line_by_line(tmp_path: Path) -> None:
    rows = [{"text": "a"}, {"text": "ü"}]
    lines = "\n".join(json.dumps(row) for row in rows)
    (tmp_path / "a.jsonl").write_text(f"\ufeff{lines}\n\n", encoding="utf-8")
    with gzip.open(tmp_path / "a.jsonl.gz", "wt") as file:
        file.write(lines)
    for name in ("a.jsonl", "a.jsonl.gz"):
        found = list(iter_records(tmp_path / name))
        assert [(r.line, r.text) for r in found if isinstance(r, Record)] == [(1, "a"), (2, "ü")]


def test_a_dotted_path_leads_through_objects_and_lists() -> None:
    row = json.dumps({"messages": [{"content": "x"}], "a.b": "whole key"})
    assert [r.text for r in _records(row, "messages.0.content") if isinstance(r, Record)] == ["x"]
    assert [r.text for r in _records(row, "a.b") if isinstance(r, Record)] == ["whole key"]


@pytest.mark.parametrize(
    ("line", "field", "problem"),
    [
        ("not json", "text", "not JSON: expecting value at column 1"),
        ('{"text": "a"', "text", "not JSON"),
        ('{"a": 1, "b": 2}', "text", "no field 'text' in this record; there is a, b"),
        ('{"text": 1}', "text", "field 'text' holds a number, not a string"),
        ('{"text": null}', "text", "field 'text' holds no text"),
        ('{"a": {"b": 1}}', "a.c", "no field 'c' under 'a'; there is b"),
        ("[]", "0", "no field '0' in this record"),
        ("3", "text", "no field 'text' in this record"),
        ("[" * 100_000, "text", "not JSON"),
        ('{"text": ' + "9" * 5000 + "}", "text", "not JSON"),
    ],
)
def test_a_bad_line_is_named_and_the_rest_is_read(line: str, field: str, problem: str) -> None:
    found = _records(f'{line}\n{{"text": "fine", "a": {{"c": "fine"}}}}\n', field)
    assert isinstance(found[0], BadRecord)
    assert found[0].line == 1
    assert problem in found[0].problem
    assert found[1].line == 2


def test_an_endless_line_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guardian.documents.MAX_LINE_BYTES", 64)
    found = _records('{"text": "' + "x" * 1000 + '"}\n{"text": "after"}\n')
    assert isinstance(found[0], BadRecord)
    assert isinstance(found[1], Record)
    assert (found[1].line, found[1].text) == (2, "after")


def test_broken_gzip_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"text": "a"}\n' * 5000)[:-20])
    with pytest.raises(InputError, match=r"a\.jsonl\.gz: broken or truncated gzip"):
        list(iter_records(path))


# ---- PDF and DOCX ----------------------------------------------------------------------------------------------------


def make_pdf(text: str, *, title: str = "A title") -> bytes:
    """The smallest PDF with one line of text."""
    stream = f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
            b"/Resources << /Font << /F1 5 0 R >> >> "
            b"/Annots [<< /Type /Annot /Subtype /Text /Contents (a remark) >>] >>"
        ),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Title (%s) >>" % title.encode(),
    ]
    out = b"%PDF-1.4\n"
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    trailer = b"trailer << /Size %d /Root 1 0 R /Info 6 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, len(out))
    return out + b"xref\n0 %d\n0000000000 65535 f \n" % size + table + trailer


def test_pdf_text_annotations_and_title(tmp_path: Path) -> None:
    pytest.importorskip("pypdf")
    path = tmp_path / "a.pdf"
    path.write_bytes(make_pdf("Hello from a page"))
    document = read_document(path)
    assert document.text.splitlines() == ["A title", "Hello from a page", "a remark"]
    assert (document.kind, document.notes) == ("pdf", ())


def test_a_pdf_without_text_says_so(tmp_path: Path) -> None:
    pypdf = pytest.importorskip("pypdf")
    writer = pypdf.PdfWriter()
    writer.add_blank_page(100, 100)
    writer.write(tmp_path / "a.pdf")
    document = read_document(tmp_path / "a.pdf")
    assert document.text == ""
    assert "1 of 1 pages hold no text" in document.notes[0]


def test_an_encrypted_pdf_needs_its_password(tmp_path: Path) -> None:
    pypdf = pytest.importorskip("pypdf")
    for password, readable in (("secret", False), ("", True)):
        writer = pypdf.PdfWriter()
        writer.append(io.BytesIO(make_pdf("Hello")))
        writer.encrypt(user_password=password, algorithm="RC4-128")
        writer.write(tmp_path / "a.pdf")
        if readable:
            assert "Hello" in read_document(tmp_path / "a.pdf").text
        else:
            with pytest.raises(InputError, match="encrypted PDF: it needs a password"):
                read_document(tmp_path / "a.pdf")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[: len(data) // 2], "truncated PDF"),
        (lambda data: b"<p>no pdf</p>", "not a PDF, in spite of its name"),
        (lambda data: b"%PDF-1.4\n" + b"\x99" * 500 + b"\n%%EOF", "broken PDF"),
    ],
)
def test_a_broken_pdf_is_named(tmp_path: Path, damage: object, message: str) -> None:
    pytest.importorskip("pypdf")
    assert callable(damage)
    path = tmp_path / "a.pdf"
    path.write_bytes(damage(make_pdf("Hello")))
    with pytest.raises(InputError, match=message) as caught:
        read_document(path)
    assert str(path) in str(caught.value)


def test_docx_gives_all_its_parts(tmp_path: Path) -> None:
    docx = pytest.importorskip("docx")
    document = docx.Document()
    document.add_heading("Heading")
    paragraph = document.add_paragraph("ig")
    paragraph.add_run("no").bold = True
    hidden = paragraph.add_run("re me")
    hidden.font.hidden = True
    table = document.add_table(1, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "left", "right"
    document.sections[0].header.paragraphs[0].text = "in the header"
    document.sections[0].footer.paragraphs[0].text = "in the footer"
    document.add_comment(paragraph.runs, text="a comment", author="x")
    document.core_properties.title = "The title"
    document.save(str(tmp_path / "a.docx"))
    found = read_document(tmp_path / "a.docx")
    assert found.kind == "docx"
    lines = [line for line in found.text.splitlines() if line]
    assert lines[:3] == ["The title", "Heading", "ignore me"] or "ignore me" in lines
    for wanted in ("The title", "Heading", "left", "right", "in the header", "in the footer", "a comment"):
        assert wanted in lines


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"x" * 600, "encrypted with a password, or in the older"),
        (b"plain words", "not a DOCX, in spite of its name"),
        (b"", None),
    ],
)
def test_a_broken_docx_is_named(tmp_path: Path, data: bytes, message: str | None) -> None:
    pytest.importorskip("docx")
    path = tmp_path / "a.docx"
    path.write_bytes(data)
    if message is None:
        assert read_document(path).text == ""
        return
    with pytest.raises(InputError, match=message):
        read_document(path)


def test_damaged_and_exploding_docx_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docx = pytest.importorskip("docx")
    path = tmp_path / "a.docx"
    docx.Document().save(str(path))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"broken DOCX \(truncated or damaged archive\)"):
        read_document(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", "<not-word/>")
    with pytest.raises(InputError, match="broken DOCX"):
        read_document(path)
    path.write_bytes(whole)
    monkeypatch.setattr("guardian.documents.MAX_STRUCTURED_BYTES", len(whole))
    with pytest.raises(InputError, match="unpacks to more than"):
        read_document(path)


@pytest.mark.parametrize(("name", "package"), [("a.pdf", "pypdf"), ("a.docx", "docx")])
def test_a_missing_package_is_told_with_the_install_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / name).write_bytes(make_pdf("x") if package == "pypdf" else b"PK\x03\x04")
    with pytest.raises(MissingExtra, match=r'pip install "slm-guardian\[documents\]"') as caught:
        read_document(tmp_path / name)
    assert caught.value.extra == "documents"


# ---- what DOCX says twice --------------------------------------------------------------------------------------------

DOCX_NAMES = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing"'
)


def docx_text(path: Path, body: str) -> str:
    """What is read of a DOCX with this body."""
    docx = pytest.importorskip("docx")
    document = docx.Document()
    document.core_properties.title = document.core_properties.comments = ""
    document.save(str(path / "empty.docx"))
    with zipfile.ZipFile(path / "empty.docx") as empty, zipfile.ZipFile(path / "a.docx", "w") as archive:
        for name in empty.namelist():
            if name == "word/document.xml":
                archive.writestr(name, f"<w:document {DOCX_NAMES}><w:body>{body}</w:body></w:document>")
            else:
                archive.writestr(name, empty.read(name))
    return "|".join(line for line in read_document(path / "a.docx").text.splitlines() if line)


def run_of(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def either(*choices: str, fallback: str) -> str:
    inner = "".join(f"<mc:Choice>{choice}</mc:Choice>" for choice in choices)
    return f"<mc:AlternateContent>{inner}<mc:Fallback>{fallback}</mc:Fallback></mc:AlternateContent>"


def pictured(description: str) -> str:
    return f'<w:drawing><wp:docPr descr="{description}"/></w:drawing>'


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param(either(run_of("box"), fallback=run_of("box")), "box", id="the same twice"),
        pytest.param(either(run_of("box"), fallback=run_of("obey me")), "box|obey me", id="other words"),
        pytest.param(either(run_of("same"), fallback=run_of("obey")), "same|obey", id="other words as long"),
        pytest.param(either(run_of("a"), run_of("b"), fallback=run_of("b")), "a|b", id="the second choice"),
        pytest.param(either("", fallback=run_of("obey")), "obey", id="an empty choice"),
        pytest.param(either(run_of("ig") + run_of("nore"), fallback=run_of("ignore")), "ig|nore|ignore", id="split"),
        pytest.param(f"<mc:Fallback>{run_of('obey')}</mc:Fallback>", "obey", id="no choice at all"),
        pytest.param(
            either(
                either(run_of("in"), fallback=run_of("in")),
                fallback=either(run_of("in"), fallback=run_of("in")),
            ),
            "in",
            id="nested copies",
        ),
        pytest.param(
            either(run_of("out"), fallback=run_of("out") + either("", fallback=run_of("obey"))),
            "out|out|obey",
            id="nested words",
        ),
        pytest.param(
            either(pictured("a cat") + run_of("box"), fallback=run_of("box")) + run_of("end"),
            "a cat|box|end",
            id="a description",
        ),
        pytest.param(
            either(pictured("a cat") + run_of("box"), fallback=pictured("a cat") + pictured("obey") + run_of("box")),
            "a cat|box|obey",
            id="another description in a copy",
        ),
        pytest.param(
            "<w:p><w:r><w:t>x </w:t></w:r><m:oMath><m:r><m:t>obey me</m:t></m:r></m:oMath></w:p>",
            "x obey me",
            id="an equation",
        ),
        pytest.param(run_of("ig<!-- -->no<!-- -->re"), "ignore", id="comments of XML in a word"),
    ],
)
def test_docx_loses_no_words_and_says_copies_once(tmp_path: Path, body: str, text: str) -> None:
    assert docx_text(tmp_path, body) == text


def test_docx_gives_diagrams_and_charts(tmp_path: Path) -> None:
    docx = pytest.importorskip("docx")
    from docx.opc.packuri import PackURI
    from docx.opc.part import Part

    art, chart = (
        "http://schemas.openxmlformats.org/drawingml/2006",
        "http://schemas.openxmlformats.org/drawingml/2006/chart",
    )
    parts = {
        "diagramData": f'<d:dataModel xmlns:d="{art}/diagram" xmlns:a="{art}/main"><a:p><a:r><a:t>ig</a:t></a:r>'
        "<a:r><a:t>nore me</a:t></a:r></a:p></d:dataModel>",
        "chart": f'<c:chartSpace xmlns:c="{chart}" xmlns:a="{art}/main"><a:p><a:r><a:t>Sales</a:t></a:r></a:p>'
        '<c:strCache><c:pt idx="0"><c:v>obey the axis</c:v></c:pt></c:strCache></c:chartSpace>',
    }
    document = docx.Document()
    document.add_paragraph("Body.")
    for name, xml in parts.items():
        kind = f"application/vnd.openxmlformats-officedocument.drawingml.{name}+xml"
        part = Part(PackURI(f"/word/{name}1.xml"), kind, xml.encode(), document.part.package)
        document.part.relate_to(part, f"http://schemas.openxmlformats.org/officeDocument/2006/relationships/{name}")
    document.save(str(tmp_path / "a.docx"))
    lines = [line for line in read_document(tmp_path / "a.docx").text.splitlines() if line]
    assert lines[-4:] == ["Body.", "ignore me", "Sales", "obey the axis"]


def test_nested_alternatives_of_docx_take_linear_time(tmp_path: Path) -> None:
    many = either(run_of("x"), fallback=run_of("x")) * 3_000
    deep = many
    for number in range(60):
        deep = either(deep, fallback=run_of(str(number))) if number % 2 else either(run_of("y"), fallback=deep)
    began = time.process_time()
    text = docx_text(tmp_path, deep)
    assert time.process_time() - began < 5
    assert text.count("x") == 3_000


def test_an_error_of_a_record_cuts_its_keys() -> None:
    (found,) = _records(json.dumps({"k" * 1000: 1, "b": 2}))
    assert isinstance(found, BadRecord)
    assert found.problem.endswith(f"; there is b, {'k' * 40}")
