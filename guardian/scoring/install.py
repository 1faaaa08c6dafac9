"""`guardian models add`: a model from a folder, an archive or an https address into the user's model folder.

Nothing is believed before it is checked: the manifest says which files there are, each is copied no further than its
stated size and compared with its hash, and only then does the folder get its name. What goes wrong on the way leaves
nothing behind, and what was installed before stays.
"""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import tempfile
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPMessage
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO
from urllib.parse import urlsplit

from guardian.errors import ConfigError, ModelError
from guardian.scoring.manifest import MANIFEST, Manifest
from guardian.scoring.models import bundled_models, user_models
from guardian.scoring.plan import PLAN, CascadePlan

Opener = Callable[[str], BinaryIO]
Opened = Callable[[], IO[bytes] | None]

_PAPERS = ("README.md", "LICENSE", "NOTICE")
"""Files that may lie beside those of the manifest."""
# What the readers of archives raise: RuntimeError where one is encrypted or packed in a way they do not know.
_BROKEN = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, RuntimeError)
_LONGEST_TEXT = 8 << 20  # bytes of a manifest or a paper
_LARGEST_ARCHIVE = 2 << 30
_BLOCK = 1 << 20
_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Installed:
    """A model that was added."""

    folder: Path
    name: str
    version: str


def install(source: str, *, sha256: str | None = None, opener: Opener | None = None) -> Installed:
    """Add the model of a folder, of a .zip, .tar.gz or .tgz file, or of such a file at an https address.

    `sha256` is that of the archive: an address needs one, a file may have one. In an archive the model's files stand at
    the top or in one folder. Replaces an earlier model of the same name, as a whole. `opener` reads an address.
    ConfigError for a wrong source, ModelError for files that are missing, changed, or reach out of the archive.
    """
    place = user_models()
    place.mkdir(parents=True, exist_ok=True)
    # On the same disk as its place, so that a rename is all there is to do in the end.
    with tempfile.TemporaryDirectory(prefix=".adding-", dir=place) as scratch:
        staged = Path(scratch) / "model"
        staged.mkdir()
        with _files(source, sha256, Path(scratch), opener or _open_https) as files:
            name, version = _copy(files, staged)
        if (bundled_models() / name).is_dir():
            raise ConfigError("source", f"{name} comes with guardian; use another by its folder: --model DIR")
        _put(staged, place / name, Path(scratch) / "former")
    return Installed(place / name, name, version)


def _put(staged: Path, target: Path, former: Path) -> None:
    """Give a finished folder its name; the one that had it goes with the scratch folder."""
    replaces = target.exists()
    if replaces:
        target.rename(former)
    try:
        staged.rename(target)
    except OSError:
        if replaces:
            former.rename(target)
        raise


# -- what is copied


def _copy(files: Mapping[str, Opened], target: Path) -> tuple[str, str]:
    """Copy a model's files and verify them; returns its name and version."""
    kinds = [name for name in (MANIFEST, PLAN) if name in files]
    if not kinds:
        raise ModelError(MANIFEST, "missing: the source is neither a model nor a cascade")
    for name in (*kinds[:1], *(paper for paper in _PAPERS if paper in files)):
        _write(files, name, target, _LONGEST_TEXT)
    if kinds[0] == PLAN:
        plan = CascadePlan.load(target)
        return _folder_name(PLAN, plan.name), plan.version
    manifest = Manifest.load(target)
    name = _folder_name(MANIFEST, manifest.name)
    for file, entry in manifest.files.items():
        if file not in files:
            raise ModelError(file, "missing in the source")
        _write(files, file, target, entry.bytes)
    manifest.verify(target)
    return name, manifest.version


def _folder_name(file: str, name: str) -> str:
    if not name or name.startswith(".") or not all(c.isalnum() or c in "._-" for c in name):
        raise ModelError(file, "name: may hold letters, digits, dots, dashes and underscores only")
    return name


def _write(files: Mapping[str, Opened], name: str, target: Path, most: int) -> None:
    source = files[name]()
    if source is None:
        raise ModelError(name, "is not a plain file")
    path = target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with source, path.open("wb") as out:
        _pour(source, out, most, ModelError(name, f"has more than the {most:,} bytes it may have"))


def _pour(source: IO[bytes], out: IO[bytes], most: int, too_long: Exception) -> str:
    """Copy all of a stream and return its SHA-256; raises `too_long` rather than copy more than `most` bytes."""
    digest, left = hashlib.sha256(), most
    while block := source.read(_BLOCK):
        left -= len(block)
        if left < 0:
            raise too_long
        digest.update(block)
        out.write(block)
    return digest.hexdigest()


# -- where from


@contextmanager
def _files(source: str, sha256: str | None, scratch: Path, opener: Opener) -> Iterator[Mapping[str, Opened]]:
    """The files of a source by their path in the model folder, each as what opens it."""
    if "://" in source:
        archive = scratch / f"fetched-{PurePosixPath(urlsplit(source).path).name}"
        _fetch(source, sha256, archive, opener)
    else:
        archive = Path(source)
        if archive.is_dir():
            if sha256 is not None:
                raise ConfigError("sha256", "is of an archive; a folder is compared with its own manifest")
            yield _in_folder(archive)
            return
        if not archive.is_file():
            raise ConfigError("source", f"{source} is no folder, no file and no https address")
        if sha256 is not None:
            with archive.open("rb") as file:
                _compare(archive.name, hashlib.file_digest(file, "sha256").hexdigest(), sha256)
    try:
        if archive.suffix == ".zip":
            with zipfile.ZipFile(archive) as zipped:
                yield _within(_in_zip(zipped))
        elif archive.name.endswith((".tar.gz", ".tgz")):
            with tarfile.open(archive, "r:gz") as tarred:
                yield _within(_in_tar(tarred))
        else:
            raise ConfigError("source", f"{archive.name} is no .zip, .tar.gz or .tgz file")
    except _BROKEN as error:
        raise ModelError(archive.name, f"is not a whole archive: {error}") from error


def _in_folder(folder: Path) -> dict[str, Opened]:
    def opener(path: Path) -> Opened:
        return lambda: path.open("rb")

    return {path.relative_to(folder).as_posix(): opener(path) for path in folder.rglob("*") if path.is_file()}


def _in_zip(archive: zipfile.ZipFile) -> Iterator[tuple[str, Opened]]:
    for entry in archive.infolist():
        kind = entry.external_attr >> 28  # of a Unix file mode; 0 where the archive was made elsewhere
        if kind not in (0, 0o10, 0o04):
            raise ModelError(entry.filename, "is a link or a device: an archive of a model holds files only")
        if not entry.is_dir():
            yield entry.filename, partial(archive.open, entry)


def _in_tar(archive: tarfile.TarFile) -> Iterator[tuple[str, Opened]]:
    for entry in archive.getmembers():
        if not (entry.isfile() or entry.isdir()):
            raise ModelError(entry.name, "is a link or a device: an archive of a model holds files only")
        if entry.isfile():
            yield entry.name, partial(archive.extractfile, entry)


def _within(entries: Iterator[tuple[str, Opened]]) -> dict[str, Opened]:
    """The entries of an archive by their path below its one folder, if it has one."""
    found: dict[str, Opened] = {}
    for name, opened in entries:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
            raise ModelError(name, "reaches out of the archive: not unpacked")
        found[path.as_posix()] = opened
    tops = {name.partition("/")[0] for name in found}
    if len(tops) == 1 and all("/" in name for name in found):
        return {name.partition("/")[2]: opened for name, opened in found.items()}
    return found


# -- over the network


def _fetch(url: str, sha256: str | None, target: Path, opener: Opener) -> None:
    if urlsplit(url).scheme != "https":
        raise ConfigError("source", "an address must be https")
    if sha256 is None:
        raise ConfigError("sha256", "is needed for an address: take it from where the address is published")
    try:
        with opener(url) as source, target.open("wb") as out:
            too_long = ModelError(target.name, f"has more than {_LARGEST_ARCHIVE:,} bytes")
            found = _pour(source, out, _LARGEST_ARCHIVE, too_long)
    except OSError as error:  # urllib's errors are of this kind
        raise ModelError(target.name, f"cannot be fetched: {error}") from error
    _compare(target.name, found, sha256)


def _compare(name: str, found: str, wanted: str) -> None:
    if found != wanted.strip().lower():
        raise ModelError(name, f"its SHA-256 is {found}, not the one given: not installed")


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        if urlsplit(newurl).scheme != "https":
            raise OSError("the address leads to one that is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open_https(url: str) -> BinaryIO:
    made: Any = urllib.request.build_opener(_HttpsOnly).open(url, timeout=_TIMEOUT_S)
    response: BinaryIO = made
    return response
