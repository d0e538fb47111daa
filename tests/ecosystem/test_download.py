"""Sources of other people are fetched and unpacked, and nothing of them runs."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from tests.ecosystem.download import provide, unpack
from tests.ecosystem.projects import Project

PROJECT = {
    "PKG-INFO": "Metadata-Version: 2.1\nName: Some.Project\nVersion: 1.0\n",
    "setup.py": "open('ran', 'w'); raise SystemExit('setup.py runs')\n",
    "module.py": "import torch\n",
}


def archive(path: Path, files: dict[str, str]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return path


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source distribution where pip finds it."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    files = {f"some_project-1.0/{name}": text for name, text in PROJECT.items()}
    return archive(tmp_path / "some_project-1.0.tar.gz", files)


def pinned(archive: Path, checksum: str = "") -> Project:
    content = archive.read_bytes()
    return Project("some-project", "1.0", "sdist", len(content), checksum or hashlib.sha256(content).hexdigest(), "")


@pytest.mark.parametrize(
    "settings",
    [
        None,
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n',
        '[build-system]\nrequires = ["no.such"]\nbuild-backend = "no.such.backend"\n',
    ],
)
def test_a_project_is_fetched_without_its_build_system(
    settings: str | None, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if settings is not None:
        monkeypatch.setitem(PROJECT, "pyproject.toml", settings)
        archive(published, {f"some_project-1.0/{name}": text for name, text in PROJECT.items()})
    project = pinned(published)
    assert provide([project], tmp_path / "cache") == []
    tree = project.tree(tmp_path / "cache")
    assert {path.name for path in tree.iterdir()} == PROJECT.keys()
    assert provide([project], tmp_path / "cache") == []  # without pip


def test_another_archive_is_told(published: Path, tmp_path: Path) -> None:
    project = pinned(published, "0" * 64)
    (told,) = provide([project], tmp_path / "cache")
    assert told.startswith("some-project: ")
    assert not project.tree(tmp_path / "cache").exists()


@pytest.mark.parametrize("name", ["top/../../escaped", "/escaped", "top/..\\escaped"])
def test_nothing_lands_outside(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="outside the archive"):
        unpack(archive(tmp_path / "a.tar.gz", {name: "x"}), tmp_path / "inner" / "folder")
    assert [path.name for path in tmp_path.rglob("escaped")] == []


def test_links_are_left_out(tmp_path: Path) -> None:
    link = tarfile.TarInfo("top/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        tar.addfile(link)
    unpack(tmp_path / "a.tar.gz", tmp_path / "folder")
    assert list(tmp_path.rglob("link")) == []
