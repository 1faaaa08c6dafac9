"""Models by name, and how they are added."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from guardian import Guardian
from guardian.errors import ConfigError, ModelError
from guardian.scoring.install import _HttpsOnly, install
from guardian.scoring.manifest import Manifest
from guardian.scoring.models import bundled_models, find_model, find_part, known_models, thresholds_of, user_models
from guardian.scoring.plan import CascadePlan, ModelPart
from guardian.thresholds import Thresholds

URL = "https://models.example/guardian-slm.tar.gz"


def a_model(folder: Path, name: str = "guardian-slm", content: bytes = b"graph") -> Path:
    """A model folder whose files are words: enough for everything but scoring."""
    folder.mkdir(parents=True)
    files = {"score.onnx": content, "blocks.bin": b"weights", "tokenizer.json": b"{}"}
    for file, data in files.items():
        (folder / file).write_bytes(data)
    manifest = {
        "name": name,
        "version": "9",
        "base": "none",
        "license": "Apache-2.0",
        "created": "2026-01-01",
        "files": {
            file: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for file, data in files.items()
        },
        "graphs": {"int8": "score.onnx"},
        "weights": ["blocks.bin"],
        "tokenizer": "tokenizer.json",
        "controls": dict.fromkeys(("cls", "sep", "pad", "query", "task", "doc", "resp"), 0),
        "heads": {"refusal": {"start": 0, "stop": 2, "labels": ["no", "yes"], "kind": "softmax"}},
        "thresholds": Thresholds.flat(0.3).model_dump(mode="json"),
        "window": {"size": 8, "stride": 4, "context_tokens": 4, "max_tokens": 32},
    }
    (folder / "guardian.json").write_text(json.dumps(manifest))
    (folder / "README.md").write_text("# A card")
    return folder


def a_plan(folder: Path, first: Path, second: Path) -> Path:
    parts = [ModelPart(**Manifest.load(part).ref.model_dump()) for part in (first, second)]
    plan = CascadePlan(version="1", first=parts[0], second=parts[1], bands={}, thresholds=Thresholds.flat(0.7))
    plan.save(folder)
    return folder


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's model folder, not there yet; what comes with guardian is guardian-mini."""
    monkeypatch.setenv("GUARDIAN_MODELS", str(tmp_path / "mine"))
    a_model(tmp_path / "bundled" / "guardian-mini", "guardian-mini")
    monkeypatch.setattr("guardian.scoring.models.bundled_models", lambda: tmp_path / "bundled")
    monkeypatch.setattr("guardian.scoring.install.bundled_models", lambda: tmp_path / "bundled")
    return tmp_path / "mine"


def left_over(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir()) if place.is_dir() else []


# -- names


def test_short_names_stand_for_guardians_own_models(place: Path) -> None:
    a_model(place / "guardian-slm")
    assert find_model() == find_model("mini") == find_model("guardian-mini")
    assert find_model("slm") == find_model("guardian-slm") == place / "guardian-slm"
    assert list(known_models()) == ["guardian-mini", "guardian-slm"]


def test_a_folder_of_a_short_name_is_named_by_its_path(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_model(place / "guardian-slm")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slm").mkdir()
    assert find_model("slm") == place / "guardian-slm"
    assert find_model(Path("slm")) == Path("slm")
    assert find_model("./slm") == Path("slm")


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("name", ["slm", "guardian-slm", "cascade"])
def test_what_does_not_come_with_guardian_is_an_error_with_the_command_that_gets_it(name: str) -> None:
    with pytest.raises(ModelError, match=r"is not installed.*guardian models add"):
        Guardian(name).load()
    with pytest.raises(ModelError, match=r"neither a model folder nor .*guardian-mini"):
        find_model("nosuch")


def test_what_comes_with_guardian_is_not_shadowed(place: Path) -> None:
    a_model(place / "guardian-mini", "guardian-mini", b"older")
    assert find_model("mini") == place.parent / "bundled" / "guardian-mini"


def test_the_users_folder_is_where_the_system_keeps_such_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GUARDIAN_MODELS", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for name in ("XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    found = {}
    for system in ("linux", "darwin", "win32"):
        monkeypatch.setattr(sys, "platform", system)
        found[system] = user_models().relative_to(tmp_path).as_posix()
    assert found == {
        "linux": ".local/share/slm-guardian/models",
        "darwin": "Library/Application Support/slm-guardian/models",
        "win32": "AppData/Local/slm-guardian/models",
    }
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert user_models() == tmp_path / "xdg" / "slm-guardian" / "models"


def test_bundled_models_are_those_of_the_package() -> None:
    assert (bundled_models() / "__init__.py").is_file()


# -- cascades


def test_a_cascade_finds_its_models_by_name_and_hash(place: Path, tmp_path: Path) -> None:
    slm = a_model(place / "guardian-slm")
    other = a_model(tmp_path / "build" / "guardian-slm", content=b"another")
    mini = find_model("mini")
    cascade = a_plan(tmp_path / "build" / "guardian-cascade", mini, slm)
    plan = CascadePlan.load(cascade)
    assert find_part(plan.first, cascade) == mini
    assert find_part(plan.second, cascade) == slm  # not the one beside it, which is another
    assert find_part(ModelPart(**Manifest.load(other).ref.model_dump()), cascade) == other
    assert thresholds_of(cascade) == Thresholds.flat(0.7)
    assert thresholds_of(slm) == Thresholds.flat(0.3)


def test_a_cascade_without_its_second_is_an_error_with_the_command_that_gets_it(place: Path, tmp_path: Path) -> None:
    slm = a_model(tmp_path / "elsewhere" / "guardian-slm")
    a_plan(place / "guardian-cascade", find_model("mini"), slm)
    with pytest.raises(ModelError, match=r"guardian-slm: is not installed.*guardian models add"):
        Guardian("cascade").load()


def test_a_cascade_with_another_second_is_an_error(place: Path, tmp_path: Path) -> None:
    slm = a_model(tmp_path / "elsewhere" / "guardian-slm")
    a_plan(place / "guardian-cascade", find_model("mini"), slm)
    a_model(place / "guardian-slm", content=b"changed")
    with pytest.raises(ModelError, match="guardian-slm: the cascade was fitted for version 9 with hash"):
        Guardian("cascade").load()


# -- adding

Packer = Callable[[Path, Path], Path]


def _folder(source: Path, _: Path) -> Path:
    return source


def _zip(source: Path, out: Path) -> Path:
    return Path(shutil.make_archive(str(out / "model"), "zip", source))  # the files at the top


def _tar(source: Path, out: Path) -> Path:
    return Path(shutil.make_archive(str(out / "model"), "gztar", source.parent, source.name))  # in one folder


@pytest.mark.parametrize("packed", [_folder, _zip, _tar])
def test_a_model_is_added(place: Path, tmp_path: Path, packed: Packer) -> None:
    source = a_model(tmp_path / "from" / "some-name")
    (source / "notes.txt").write_text("not in the manifest")
    added = install(str(packed(source, tmp_path)))
    assert (added.folder, added.name, added.version) == (place / "guardian-slm", "guardian-slm", "9")
    assert left_over(added.folder) == ["README.md", "blocks.bin", "guardian.json", "score.onnx", "tokenizer.json"]
    assert find_model("slm") == added.folder
    assert left_over(place) == ["guardian-slm"]


def test_adding_again_replaces_the_whole(place: Path, tmp_path: Path) -> None:
    install(str(a_model(tmp_path / "one")))
    (place / "guardian-slm" / "stray").touch()
    install(str(a_model(tmp_path / "two", content=b"newer")))
    assert (place / "guardian-slm" / "score.onnx").read_bytes() == b"newer"
    assert left_over(place) == ["guardian-slm"]
    assert not (place / "guardian-slm" / "stray").exists()


def test_a_cascade_is_added(place: Path, tmp_path: Path) -> None:
    slm = a_model(place / "guardian-slm")
    added = install(str(a_plan(tmp_path / "c", find_model("mini"), slm)))
    assert added.name == "guardian-cascade"
    assert left_over(added.folder) == ["cascade.json"]


def test_what_comes_with_guardian_cannot_be_added(place: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="comes with guardian"):
        install(str(a_model(tmp_path / "m", "guardian-mini")))
    assert left_over(place) == []


def _truncate(folder: Path) -> None:
    (folder / "blocks.bin").write_bytes(b"weigh")


def _change(folder: Path) -> None:
    (folder / "blocks.bin").write_bytes(b"weighty")


def _lengthen(folder: Path) -> None:
    (folder / "blocks.bin").write_bytes(b"weights" * 1000)


def _lose(folder: Path) -> None:
    (folder / "blocks.bin").unlink()


def _unname(folder: Path) -> None:
    (folder / "guardian.json").unlink()


def _rename(folder: Path) -> None:
    body = json.loads((folder / "guardian.json").read_text())
    (folder / "guardian.json").write_text(json.dumps(body | {"name": "../../up"}))


@pytest.mark.parametrize("packed", [_folder, _zip, _tar])
@pytest.mark.parametrize("damage", [_truncate, _change, _lengthen, _lose, _unname, _rename])
def test_a_damaged_model_leaves_nothing_and_what_was_there_stays(
    place: Path, tmp_path: Path, packed: Packer, damage: Callable[[Path], None]
) -> None:
    install(str(a_model(tmp_path / "good", content=b"the first")))
    source = a_model(tmp_path / "bad" / "model")
    damage(source)
    with pytest.raises(ModelError):
        install(str(packed(source, tmp_path)))
    assert left_over(place) == ["guardian-slm"]
    assert (place / "guardian-slm" / "score.onnx").read_bytes() == b"the first"
    assert left_over(place.parent / "up") == []


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "a\\evil", "c:evil"])
def test_an_archive_that_reaches_out_of_itself_is_refused(place: Path, tmp_path: Path, name: str) -> None:
    source = a_model(tmp_path / "m")
    zipped, tarred = _zip(source, tmp_path), _tar(source, tmp_path)
    with zipfile.ZipFile(zipped, "a") as archive:
        archive.writestr(name, b"evil")
    with tarfile.open(tmp_path / "evil.tar.gz", "w:gz") as archive_, tarfile.open(tarred) as good:
        for member in good.getmembers():
            archive_.addfile(member, good.extractfile(member) if member.isfile() else None)
        entry = tarfile.TarInfo(name)
        entry.size = 4
        archive_.addfile(entry, io.BytesIO(b"evil"))
    for path in (zipped, tmp_path / "evil.tar.gz"):
        with pytest.raises(ModelError, match="reaches out of the archive"):
            install(str(path))
    assert left_over(place) == []


def test_a_link_in_an_archive_is_refused(place: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "links.tar.gz", "w:gz") as archive:
        entry = tarfile.TarInfo("guardian.json")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(entry)
    with zipfile.ZipFile(tmp_path / "links.zip", "w") as zipped:
        link = zipfile.ZipInfo("guardian.json")
        link.external_attr = 0o120777 << 16
        zipped.writestr(link, "/etc/passwd")
    for name in ("links.tar.gz", "links.zip"):
        with pytest.raises(ModelError, match="is a link"):
            install(str(tmp_path / name))
    assert left_over(place) == []


@pytest.mark.parametrize("name", ["broken.zip", "broken.tar.gz"])
def test_half_an_archive_is_refused(place: Path, tmp_path: Path, name: str) -> None:
    source = a_model(tmp_path / "m", content=bytes(range(256)) * 400)
    whole = (_zip if name.endswith("zip") else _tar)(source, tmp_path).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError):
        install(str(tmp_path / name))
    assert left_over(place) == []


def test_sources_that_are_none_are_told_of(place: Path, tmp_path: Path) -> None:
    (tmp_path / "model.rar").touch()
    for source, message in {
        str(tmp_path / "nosuch"): "no folder, no file",
        str(tmp_path / "model.rar"): r"no \.zip",
        "http://models.example/m.zip": "must be https",
        URL: "sha256: is needed",
    }.items():
        with pytest.raises(ConfigError, match=message):
            install(source)
    with pytest.raises(ConfigError, match="is of an archive"):
        install(str(a_model(tmp_path / "m")), sha256="0" * 64)
    assert left_over(place) == []


# -- over the network


def _serving(data: bytes) -> tuple[Callable[[str], BinaryIO], list[str]]:
    asked: list[str] = []

    def opener(url: str) -> BinaryIO:
        asked.append(url)
        return io.BytesIO(data)

    return opener, asked


def test_an_address_is_fetched_and_compared_before_it_is_unpacked(place: Path, tmp_path: Path) -> None:
    data = _tar(a_model(tmp_path / "m"), tmp_path).read_bytes()
    opener, asked = _serving(data)
    added = install(URL, sha256=hashlib.sha256(data).hexdigest().upper(), opener=opener)
    assert asked == [URL]
    assert added.folder == place / "guardian-slm"
    with pytest.raises(ModelError, match="its SHA-256 is"):
        install(URL, sha256="0" * 64, opener=opener)
    assert left_over(place) == ["guardian-slm"]


def test_a_download_that_breaks_off_leaves_nothing(place: Path) -> None:
    class Breaking(io.BytesIO):
        def read(self, _: Any = -1) -> bytes:
            raise TimeoutError("timed out")

    with pytest.raises(ModelError, match="cannot be fetched: timed out"):
        install(URL, sha256="0" * 64, opener=lambda _: Breaking())
    assert left_over(place) == []


def test_a_file_may_be_compared_as_well(place: Path, tmp_path: Path) -> None:
    path = _zip(a_model(tmp_path / "m"), tmp_path)
    with pytest.raises(ModelError, match="not the one given"):
        install(str(path), sha256="1" * 64)
    assert install(str(path), sha256=hashlib.sha256(path.read_bytes()).hexdigest()).folder.parent == place


def test_a_redirection_away_from_https_is_not_followed() -> None:
    import urllib.request

    request = urllib.request.Request("https://models.example/a.zip")
    handler = _HttpsOnly()
    with pytest.raises(OSError, match="not https"):
        handler.redirect_request(request, io.BytesIO(), 302, "Found", {}, "http://models.example/a.zip")  # type: ignore[arg-type]
    onward = handler.redirect_request(request, io.BytesIO(), 302, "Found", {}, "https://cdn.example/a.zip")  # type: ignore[arg-type]
    assert onward is not None
    assert onward.full_url == "https://cdn.example/a.zip"
