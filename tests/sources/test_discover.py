"""Which files porter looks at: by git, by a walk, by name, and by kind."""

from __future__ import annotations

import os
import pickle
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from porter.config import Settings, load
from porter.model import Problem
from porter.sources.discover import DATA_BYTES, Discovery, discover
from porter.sources.kinds import kind_of

HERE = Settings(root=".")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Make files, each with a line of text, in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    for variable in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(variable, raising=False)

    def make(*names: str, **texts: str) -> Path:
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(texts.get(name, "x\n"), encoding="utf-8")
        return tmp_path

    return make


def git(*arguments: str, cwd: Path | str = ".") -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always"]
    subprocess.run(["git", *identity, *arguments], cwd=cwd, check=True, capture_output=True)


def names(*paths: str, settings: Settings = HERE) -> list[str]:
    found = discover(paths or (".",), settings)
    assert found.problems == []
    return [candidate.display for candidate in found.candidates]


def as_nobody(function: Callable[[], Discovery]) -> Discovery:
    """Run without the rights of root, from which no directory is safe."""
    if os.geteuid():
        return function()
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.setgid(65534)
        os.setuid(65534)
        with os.fdopen(write, "wb") as file:
            pickle.dump(function(), file)
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as file:
        result: Discovery = pickle.load(file)
    os.waitpid(child, 0)
    return result


# -- kinds -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "paths"),
    {
        "python": "a.py a.pyi a.pyw src/A.PY setup.py",
        "notebook": "a.ipynb",
        "requirements": "requirements.txt requirements-dev.txt dev_requirements.in requirements/base.txt "
        "constraints.txt a/requirements/gpu.in",
        "pyproject": "pyproject.toml a/pyproject.toml",
        "setup-cfg": "setup.cfg",
        "conda": "environment.yml environment-gpu.yaml env.yml conda/environment.yaml conda_env.yml",
        "docker": "Dockerfile Dockerfile.gpu docker/Dockerfile-cuda a.dockerfile a.Dockerfile Containerfile dockerfile",
        "shell": "a.sh a.bash a.zsh job.slurm job.sbatch job.pbs .env gpu.env",
        "make": "Makefile makefile GNUmakefile Makefile.inc a.mk",
        "cmake": "CMakeLists.txt a.cmake",
        "yaml": "a.yaml a.yml docker-compose.yml .github/workflows/ci.yml",
        "json": "a.json ds_config.json .devcontainer/devcontainer.json",
        "toml": "a.toml Pipfile",
        "native": "a.cu a.cuh a.cpp a.cc a.cxx a.c a.h a.hpp a.hxx a.ptx",
        None: "a.txt README.md LICENSE package-lock.json pnpm-lock.yaml poetry.lock notes/requirements a.pyc a",
    }.items(),
)
def test_kinds(kind: str | None, paths: str) -> None:
    for path in paths.split():
        assert kind_of(path) == kind, path


# -- git -------------------------------------------------------------------------------------------


def test_git_lists_tracked_and_new_files_but_not_ignored_ones(tree: Callable[..., Path]) -> None:
    tree("a.py", "sub/b.py", "new.py", "out/c.py", "sub/gen.py", "notes.txt")
    Path(".gitignore").write_text("out/\n")
    Path("sub/.gitignore").write_text("gen.py\n")
    git("init")
    git("add", "a.py", "sub/b.py")
    assert names() == ["a.py", "new.py", "sub/b.py"]
    assert names("sub") == ["sub/b.py"]


def test_git_files_deleted_from_disk_are_skipped(tree: Callable[..., Path]) -> None:
    tree("a.py", "b.py")
    git("init")
    git("add", ".")
    Path("a.py").unlink()
    assert names() == ["b.py"]


def test_nested_repositories_and_submodules_are_entered(tree: Callable[..., Path], tmp_path: Path) -> None:
    tree("a.py", "lib/x.py", "lib/skip.py", "origin/s.py")
    Path("lib/.gitignore").write_text("skip.py\n")
    git("init", cwd="lib")
    git("init", cwd="origin")
    git("add", ".", cwd="origin")
    git("commit", "-m", "x", cwd="origin")
    git("init")
    git("submodule", "add", str(tmp_path / "origin"), "third.party")
    assert names() == ["a.py", "lib/x.py", "origin/s.py", "third.party/s.py"]


def test_work_tree_of_a_worktree_file(tree: Callable[..., Path]) -> None:
    tree("main/a.py")
    git("init", cwd="main")
    git("add", ".", cwd="main")
    git("commit", "-m", "x", cwd="main")
    git("worktree", "add", "../other", cwd="main")
    assert names("other") == ["other/a.py"]


def test_a_directory_that_git_ignores_is_searched_when_named(tree: Callable[..., Path]) -> None:
    tree("a.py", "build/lib/b.py", "build/lib/node_modules/c.py")
    Path(".gitignore").write_text("build\n")
    git("init")
    assert names() == ["a.py"]
    assert names("build/lib") == ["build/lib/b.py"]


def test_broken_repository_is_walked(tree: Callable[..., Path]) -> None:
    tree("a.py", "b.py", ".git")
    Path(".gitignore").write_text("b.py\n")
    assert names() == ["a.py"]


def test_variables_that_git_hooks_set_do_not_lead_astray(
    tree: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    tree("one/a.py", "two/b.py")
    git("init", cwd="one")
    git("init", cwd="two")
    monkeypatch.setenv("GIT_DIR", str(Path("two/.git").absolute()))
    monkeypatch.setenv("GIT_INDEX_FILE", str(Path("two/.git/index").absolute()))
    assert names("one") == ["one/a.py"]


def test_configuration_of_a_repository_runs_nothing(tree: Callable[..., Path]) -> None:
    tree("a.py", "hook.sh")
    Path("hook.sh").write_text("#!/bin/sh\ntouch ran\n")
    Path("hook.sh").chmod(0o755)
    git("init")
    git("config", "core.fsmonitor", "./hook.sh")
    assert names() == ["a.py", "hook.sh"]
    assert not Path("ran").exists()


# -- walk ------------------------------------------------------------------------------------------


def test_walk_honours_nested_gitignore(tree: Callable[..., Path]) -> None:
    tree("a.py", "gen/b.py", "sub/c.py", "sub/gen_c.py", "sub/keep_c.py", "sub/deep/gen_d.py")
    Path(".gitignore").write_text("gen/\n*_c.py\n!\n# comment\n")
    Path("sub/.gitignore").write_text("!keep_c.py\ngen_*\n")
    assert names() == ["a.py", "sub/c.py", "sub/keep_c.py"]


def test_links_are_not_followed_unless_named(tree: Callable[..., Path]) -> None:
    tree("in/a.py", "out/b.py")
    Path("in/loop").symlink_to(".")
    Path("in/away").symlink_to("../out")
    Path("in/link.py").symlink_to("../out/b.py")
    assert names("in") == ["in/a.py"]
    git("init", cwd="in")
    git("add", ".", cwd="in")
    assert names("in") == ["in/a.py"]
    assert names("in/link.py", "in/away") == ["in/away/b.py", "in/link.py"]


def test_only_regular_files(tree: Callable[..., Path]) -> None:
    tree("a.py")
    os.mkfifo("b.py")
    Path("c.py").mkdir()
    assert names() == ["a.py"]


def test_scripts_are_known_by_their_interpreter(tree: Callable[..., Path]) -> None:
    for name, line in (
        ("train", "#!/usr/bin/env python3\n"),
        ("job", "#!/bin/bash -l\n"),
        ("perl", "#!/usr/bin/perl\n"),
        ("data", "x"),
    ):
        tree(name)
        Path(name).write_text(line)
        Path(name).chmod(0o755)
    tree("plain")
    found = discover((".",), HERE).candidates
    assert [(c.display, c.kind) for c in found] == [("job", "shell"), ("train", "python")]


def test_large_data_is_no_configuration(tree: Callable[..., Path]) -> None:
    tree("a.json")
    Path("b.json").write_bytes(b" " * (DATA_BYTES + 1))
    assert names() == ["a.json"]
    assert names("b.json") == ["b.json"]


def test_file_names_that_are_no_text(tree: Callable[..., Path]) -> None:
    tree("a.py", "ü b\n.py")
    Path(os.fsdecode(b"\xff.py")).write_text("x")
    assert names() == ["a.py", "ü b\n.py", "\N{REPLACEMENT CHARACTER}.py"]
    git("init")
    found = discover((".",), HERE).candidates
    assert len(found) == 3
    assert all(Path(c.path).exists() for c in found)
    for candidate in found:
        candidate.display.encode()


# -- excluding -------------------------------------------------------------------------------------


def test_default_excludes(tree: Callable[..., Path]) -> None:
    tree("a.py", "venv/b.py", "x/node_modules/b.py", "lib/site-packages/b.py", "build/b.py", ".tox/b.py", "builds/c.py")
    assert names() == ["a.py", "builds/c.py"]
    assert names("lib/site-packages") == ["lib/site-packages/b.py"]


def test_a_package_is_no_build_output_whatever_its_name(tree: Callable[..., Path]) -> None:
    tree("p/__init__.py", "p/dist/__init__.py", "p/dist/a.py", "dist/p/__init__.py", "dist/p/b.py", "venv/__init__.py")
    tree("p/dist/build/c.py")
    assert names() == ["p/__init__.py", "p/dist/__init__.py", "p/dist/a.py"]
    assert names("p") == names()
    assert names(settings=Settings(root=".", extend_exclude=("dist",))) == ["p/__init__.py"]
    git("init")
    git("add", ".")
    assert names() == ["p/__init__.py", "p/dist/__init__.py", "p/dist/a.py"]


def test_patterns(tree: Callable[..., Path]) -> None:
    tree("a.py", "a_test.py", "src/gen/b.py", "gen/b.py", "old/c.py", "build/keep_test.py")
    more = Settings(root=".", extend_exclude=("*_test.py", "src/gen/", "old"))
    assert names(settings=more) == ["a.py", "gen/b.py"]
    instead = Settings(root=".", exclude=("src", "old", "gen", "*_test.py", "!keep_test.py"))
    assert names(settings=instead) == ["a.py", "build/keep_test.py"]


def test_patterns_are_relative_to_the_configuration(tree: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    root = tree("project/src/gen/b.py", "project/src/a.py", "project/gen/c.py", "other/src/gen/d.py")
    settings = Settings(root=str(root / "project"), extend_exclude=("/src/gen/*.py",))
    monkeypatch.chdir(root / "project/src")
    assert names(settings=settings) == ["a.py"]
    assert names("../gen", "../../other", settings=settings) == ["../../other/src/gen/d.py", "../gen/c.py"]


def test_named_files_are_taken_unless_excludes_are_forced(tree: Callable[..., Path]) -> None:
    tree("build/a.py")
    assert names("build/a.py") == ["build/a.py"]
    assert names("build/a.py", settings=Settings(root=".", force_exclude=True)) == []


# -- order and problems ----------------------------------------------------------------------------


def test_each_file_once_in_order(tree: Callable[..., Path]) -> None:
    root = tree("b.py", "a/c.py", "a.py", "a-b.py")
    assert names(".", "a", "a.py", str(root / "b.py")) == ["a-b.py", "a.py", "a/c.py", "b.py"]


def test_named_paths_that_cannot_be_used(tree: Callable[..., Path]) -> None:
    tree("a.txt", "script")
    Path("loop.py").symlink_to("loop.py")
    os.mkfifo("pipe.py")
    found = discover(("gone.py", "a.txt", "loop.py", "pipe.py", "script"), HERE)
    assert [c.display for c in found.candidates] == ["script"]
    assert {p.path: p.message.split(";")[0] for p in found.problems} == {
        "a.txt": "is not a kind of file that porter reads",
        "gone.py": "does not exist",
        "loop.py": "cannot be opened: too many levels of symbolic links",
        "pipe.py": "is not a regular file",
    }


@pytest.mark.parametrize("repository", [False, True])
def test_unreadable_directories_are_named_and_the_rest_goes_on(tree: Callable[..., Path], repository: bool) -> None:
    root = tree("a.py", "secret/b.py", "tracked/c.py")
    if repository:
        git("init")
        git("add", "a.py", "tracked")
    for path in (root, *root.parents[:3]):
        path.chmod(path.stat().st_mode | 0o055)
    if not os.geteuid():  # git looks only at what belongs to who asks
        for path in (root, *root.rglob("*")):
            os.chown(path, 65534, 65534)
    for name in ("secret", "tracked"):
        Path(name).chmod(0)
    try:
        found = as_nobody(lambda: discover((".",), HERE))
    finally:
        for name in ("secret", "tracked"):
            Path(name).chmod(0o755)
    message = "cannot be listed: permission denied; make it readable or exclude it"
    assert [c.display for c in found.candidates] == ["a.py"]
    assert found.problems == [Problem("secret", message), Problem("tracked", message)]


def test_thousands_of_files_take_no_time(tree: Callable[..., Path], tmp_path: Path) -> None:
    for directory in range(50):
        (tmp_path / f"d{directory}").mkdir()
        for file in range(100):
            (tmp_path / f"d{directory}/f{file}.py").touch()
    git("init")
    git("add", ".")
    settings = load(isolated=True)
    assert len(discover((".",), settings).candidates) == 5000
    asked = min(spent(lambda: [path.lstat() for path in tmp_path.rglob("*.py")]) for _ in range(3))
    assert min(spent(lambda: discover((".",), settings)) for _ in range(3)) < 2 * asked


def spent(work: Callable[[], object]) -> float:
    """The CPU seconds of some work."""
    started = time.process_time()
    work()
    return time.process_time() - started
