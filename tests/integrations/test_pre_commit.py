"""The hooks, run by the real pre-commit on a repository that uses them as its users do."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("pre_commit", reason="pre-commit is not installed")
if shutil.which("git") is None:
    pytest.skip("pre-commit needs git", allow_module_level=True)

ROOT = Path(__file__).parents[2]
PARTS = ("porter", "pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml")
CODE = "import torch\n\ntorch.cuda.synchronize()\n"
PORTED = CODE.replace("cuda", "neuron")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def git(place: Path, *command: str) -> str:
    names = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ["git", *names, *command], cwd=place, capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A repository that has porter, as users name it in their configuration; and its commit."""
    place = tmp_path_factory.mktemp("porter")
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, place / part)
    git(place, "init", "-q")
    git(place, "add", ".")
    git(place, "commit", "-qm", "porter")
    return place, git(place, "rev-parse", "HEAD")


def repository(place: Path, hooks: tuple[Path, str], more: str = "") -> None:
    """A repository of a user's, with one finding, that has both hooks."""
    place.mkdir()
    repo, revision = hooks
    lines = [f"repos:\n- repo: {repo}\n  rev: {revision}\n  hooks:"]
    lines += [f"  - id: {name}\n{more}" for name in ("porter-check", "porter-rewrite")]
    (place / ".pre-commit-config.yaml").write_text("\n".join(lines), encoding="utf-8")
    (place / "train.py").write_text(CODE, encoding="utf-8")
    (place / "broken.txt").write_text("no Python, and no reason to fail\n", encoding="utf-8")
    git(place, "init", "-q")
    git(place, "add", ".")


def pre_commit(place: Path, home: Path, *command: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PRE_COMMIT_HOME": str(home), "PATH": path, "PIP_RETRIES": "1"}
    environment = {name: value for name, value in environment.items() if not name.startswith("GIT_")}
    whole = [sys.executable, "-m", "pre_commit", *command]
    return subprocess.run(whole, cwd=place, env=environment, capture_output=True, text=True, check=False)


def exercise(place: Path, home: Path) -> None:
    """What a user sees: the gate closes, the rewrite opens it."""
    done = pre_commit(place, home, "run", "porter-check")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "train.py:3:1: PRT201" in done.stdout
    done = pre_commit(place, home, "run", "porter-rewrite", "--all-files")
    assert done.returncode == 1 and "files were modified by this hook" in done.stdout, done.stdout + done.stderr
    assert (place / "train.py").read_text(encoding="utf-8") == PORTED
    git(place, "add", "train.py")
    done = pre_commit(place, home, "run", "--all-files")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Passed") == 2


def test_the_manifest_is_valid(tmp_path: Path) -> None:
    done = pre_commit(ROOT, tmp_path, "validate-manifest", ".pre-commit-hooks.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_hooks_with_the_porter_that_is_here(tmp_path: Path, hooks: tuple[Path, str]) -> None:
    """All but the installation, which is a matter of pip."""
    repository(tmp_path / "work", hooks, "    language: system\n")
    exercise(tmp_path / "work", tmp_path / "home")


def test_staged_lines_alone(tmp_path: Path, hooks: tuple[Path, str]) -> None:
    """With `args` as the manifest has them: what is old passes, what is staged fails, what is not is not seen."""
    place = tmp_path / "work"
    repository(place, hooks, "    language: system\n    args: [--since, HEAD]\n")
    git(place, "commit", "-qm", "as it was")
    (place / "new.py").write_text("import torch\n", encoding="utf-8")
    git(place, "add", "new.py")
    (place / "new.py").write_text(CODE, encoding="utf-8")  # not staged
    done = pre_commit(place, tmp_path / "home", "run", "porter-check")
    assert done.returncode == 0, done.stdout + done.stderr
    git(place, "add", "new.py")
    done = pre_commit(place, tmp_path / "home", "run", "porter-check")
    assert done.returncode == 1
    assert "new.py:3:1" in done.stdout and "train.py" not in done.stdout


@pytest.mark.installs
def test_hooks_as_pre_commit_installs_them(tmp_path: Path, hooks: tuple[Path, str]) -> None:
    repository(tmp_path / "work", hooks)
    done = pre_commit(tmp_path / "work", tmp_path / "home", "install-hooks")
    if done.returncode and re.search(r"No matching distribution|Connection|resolve|timed out", done.stdout):
        pytest.skip("no package index to install from")
    assert done.returncode == 0, done.stdout + done.stderr
    exercise(tmp_path / "work", tmp_path / "home")
