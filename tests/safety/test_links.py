"""What lies in a tree leads porter nowhere else: neither to read nor to write. And nothing in it holds porter up."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from hashlib import sha1
from pathlib import Path

import pytest

import porter
from porter import engine
from porter.cache import Cache
from porter.config import load
from porter.engine import Report
from porter.gate.changes import Changes
from porter.gate.git import GitError

CUDA = 'import torch\n\nd = torch.device("cuda")\n'
GIT = ("git", "-c", "user.name=porter", "-c", "user.email=porter@example.org")
VERSION = f"{porter.__version__}-{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture(autouse=True)
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file that porter would rewrite; the working directory is a tree beside it."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "victim.py").write_text(CUDA)
    (tmp_path / "tree").mkdir()
    monkeypatch.chdir(tmp_path / "tree")
    return tmp_path / "outside"


def git(*arguments: str, text: str = "") -> str:
    done = subprocess.run([*GIT, *arguments], input=text, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def paths(report: Report) -> list[str]:
    return sorted({finding.path for finding in report.findings})


def look() -> list[str]:
    return paths(engine.run(["."], load(isolated=True, overrides={"cache": False})))


def write(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "porter", "rewrite", "--write", "--force", "--no-cache", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


# -- folders and files that are links ----------------------------------------------------------


def _link_to_folder(outside: Path) -> None:
    Path("pkg").symlink_to(outside)


def _link_to_file(outside: Path) -> None:
    Path("a.py").symlink_to(outside / "victim.py")


def _loop(outside: Path) -> None:
    Path("a").mkdir()
    Path("a/b").symlink_to("..")
    Path("self.py").symlink_to("self.py")


@pytest.mark.parametrize("repository", [False, True])
@pytest.mark.parametrize("lay", [_link_to_folder, _link_to_file, _loop])
def test_links_are_not_followed(lay: Callable[[Path], None], repository: bool, outside: Path) -> None:
    if repository:
        git("init", "-q")
    lay(outside)
    Path("mine.py").write_text(CUDA)
    if repository:
        git("add", "-A")
    assert look() == ["mine.py"]
    assert write(".").returncode == 0
    assert (outside / "victim.py").read_text() == CUDA


def test_a_folder_that_has_become_a_link_is_not_followed(outside: Path) -> None:
    """Git lists what the index holds, whatever lies in its place by now."""
    git("init", "-q")
    Path("pkg/deep").mkdir(parents=True)
    Path("pkg/victim.py").write_text(CUDA)
    Path("pkg/deep/victim.py").write_text(CUDA)
    git("add", "-A")
    Path("pkg/victim.py").unlink()
    Path("pkg/deep/victim.py").unlink()
    Path("pkg/deep").rmdir()
    Path("pkg").rmdir()
    Path("pkg").symlink_to(outside)
    (outside / "deep").mkdir()
    (outside / "deep" / "victim.py").write_text(CUDA)
    assert "pkg/victim.py" in git("ls-files")
    assert look() == []
    write(".")
    assert (outside / "victim.py").read_text() == CUDA


@pytest.mark.parametrize(
    "name", ["../outside/victim.py", "a/../../outside/victim.py", "./../outside/victim.py", "/abs.py"]
)
def test_names_of_an_index_that_lead_out_are_no_names(name: str, outside: Path) -> None:
    git("init", "-q")
    Path("mine.py").write_text(CUDA)
    placeholder = "x" * len(name)
    blob = git("hash-object", "-w", "--stdin", text=CUDA)
    git("update-index", "--add", "--cacheinfo", f"100644,{blob},{placeholder}")
    index = Path(".git/index")  # git itself takes no such name, but reads one
    raw = index.read_bytes()[:-20].replace(placeholder.encode(), name.encode())
    index.write_bytes(raw + sha1(raw).digest())
    assert name in git("ls-files", "-z")
    assert look() == ["mine.py"]


def test_a_nested_repository_that_is_a_link_is_not_entered(outside: Path) -> None:
    subprocess.run([*GIT, "init", "-q", str(outside)], check=True)
    git("init", "-q")
    Path("mine.py").write_text(CUDA)
    git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    Path("sub").symlink_to(outside)
    assert look() == ["mine.py"]


def test_other_names_of_a_file_keep_its_contents(outside: Path) -> None:
    os.link(outside / "victim.py", "hard.py")
    assert write(".").returncode == 0
    assert '"neuron"' in Path("hard.py").read_text()
    assert (outside / "victim.py").read_text() == CUDA


def test_a_tree_of_repositories_in_repositories_comes_to_an_end() -> None:
    folder = Path()
    for _ in range(40):
        subprocess.run([*GIT, "init", "-q", str(folder)], check=True)
        folder = folder / "r"
        folder.mkdir()
    (folder / "a.py").write_text(CUDA)
    assert look() == ["r/" * 40 + "a.py"]


# -- what is no regular file -------------------------------------------------------------------

NAMES = ("a.py", "a.ipynb", "Dockerfile", "requirements.txt", "script", ".gitignore", "pyproject.toml", "porter.toml")


def _special(kind: str, name: str) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "socket":
        server = socket.socket(socket.AF_UNIX)
        server.bind(name)
        server.close()
    else:
        path.mkdir()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["fifo", "device", "socket", "folder"])
def test_nothing_waits_for_what_is_no_file(kind: str, name: str) -> None:
    _special(kind, name)
    Path("mine.py").write_text(CUDA)
    command = [sys.executable, "-m", "porter", "check", "--format", "concise", "."]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    assert "internal error" not in done.stderr
    if name in ("pyproject.toml", "porter.toml"):
        assert (done.returncode, "cannot be read" in done.stderr) == (2, True)
    else:
        assert (done.returncode, done.stdout.startswith("mine.py:3")) == (1, True)


@pytest.mark.parametrize("name", [".gitignore", ".git/info/exclude"])
def test_git_that_waits_is_not_waited_for(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    git("init", "-q")
    Path(name).unlink(missing_ok=True)
    os.mkfifo(name)
    Path("mine.py").write_text(CUDA)
    monkeypatch.setattr("porter.sources.discover._GIT_SECONDS", 0.5)
    assert look() == ["mine.py"]


def test_git_that_waits_while_lines_are_compared_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    git("init", "-q")
    Path("mine.py").write_text(CUDA)
    git("add", "-A")
    git("commit", "-q", "-m", "x")
    Path("mine.py").write_text(CUDA * 2)
    os.mkfifo(".gitattributes")
    monkeypatch.setattr("porter.gate.git.PATIENCE", 0.5)
    with pytest.raises(GitError, match="git was stopped after"):
        Changes(["."], "HEAD").touch(engine.run(["mine.py"], load(isolated=True)).findings[0])


@pytest.mark.parametrize("kind", ["fifo", "device", "folder"])
@pytest.mark.parametrize("option", ["--baseline", "--config"])
def test_files_that_are_named_are_regular_too(option: str, kind: str) -> None:
    _special(kind, "named.toml")
    Path("mine.py").write_text(CUDA)
    command = [sys.executable, "-m", "porter", "check", option, "named.toml", "."]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 2
    assert "internal error" not in done.stderr


def test_patterns_that_take_for_ever_are_stopped() -> None:
    Path(".gitignore").write_text("*a" * 30 + "b\n")
    Path("a" * 200 + ".py").write_text(CUDA)
    report = engine.run(["."], load(isolated=True, overrides={"cache": False, "seconds_per_file": 0.5}))
    assert [problem.message.partition(";")[0] for problem in report.problems] == ["takes more than 0.5 s to list"]


# -- the cache ---------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A folder with files that an old cache would have been taken for."""
    home = tmp_path / "home"
    home.mkdir()
    kept = {name: f"{name}\n" for name in (".bashrc", ".stamps.1.1", "facts-1", "stamps", "report-1")}
    kept |= {f"report-{number}": "x" for number in range(20)}
    for name, text in kept.items():
        (home / name).write_text(text)
        os.utime(home / name, (1, 1))
    yield home
    assert {path.name: path.read_text() for path in home.iterdir()} == kept


def _is_the_cache(home: Path) -> None:
    Path(".porter_cache").symlink_to(home)


def _is_in_the_cache(home: Path) -> None:
    Path(".porter_cache").mkdir()
    Path(".porter_cache/CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\n")
    Path(f".porter_cache/{VERSION}").symlink_to(home)


def _is_called_the_cache(home: Path) -> None:
    Path("porter.toml").write_text(f'cache-dir = "{home}"\n')


def _is_where_the_tag_leads(home: Path) -> None:
    Path(".porter_cache").mkdir()
    Path(".porter_cache/CACHEDIR.TAG").symlink_to(home / "new")
    Path(".porter_cache/.gitignore").symlink_to(home / "new")


@pytest.mark.parametrize("lay", [_is_the_cache, _is_in_the_cache, _is_called_the_cache, _is_where_the_tag_leads])
def test_no_cache_is_where_the_tree_says(lay: Callable[[Path], None], home: Path) -> None:
    lay(home)
    Path("mine.py").write_text(CUDA)
    for _ in range(2):
        assert paths(engine.run(["."], load("."))) == ["mine.py"]


@pytest.mark.parametrize("kind", ["fifo", "device"])
@pytest.mark.parametrize("name", ["stamps", "CACHEDIR.TAG", ".gitignore"])
def test_a_cache_of_things_that_are_no_files(kind: str, name: str) -> None:
    Path("mine.py").write_text(CUDA)
    engine.run(["."], load("."))
    place = Path(".porter_cache") / (VERSION if name == "stamps" else "") / name
    place.unlink()
    _special(kind, str(place))
    assert look() == paths(engine.run(["."], load("."))) == ["mine.py"]


def test_a_cache_that_was_begun_is_one() -> None:
    for contents in (b"", b"Signature: 8a477f"):
        folder = Path(f"cache{len(contents)}")
        folder.mkdir()
        (folder / "CACHEDIR.TAG").write_bytes(contents)
        Cache(load(".", overrides={"cache_dir": str(folder)}))
