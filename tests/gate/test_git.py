"""A repository that is only looked at runs nothing, whatever its configuration says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from porter.gate.changes import Changes
from porter.gate.git import Git, GitError
from porter.gate.known import Past
from porter.model import Effort, Finding, Verdict
from tests.gate.repository import Repository

FOUND = Finding("a.py", 1, 1, 1, 2, None, "PRT102", "x", None, Verdict.AUTO, "", "", False, Effort.NONE, None, None, "")


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A program that leaves a mark."""
    file = tmp_path / "trap"
    file.write_text(f'#!/bin/sh\necho "$0 $*" >> {tmp_path}/sprung\ncat\n', encoding="utf-8")
    file.chmod(0o755)
    return file


def _settings(*pairs: tuple[str, str]) -> Callable[[Repository, Path], None]:
    def apply(repository: Repository, trap: Path) -> None:
        for name, value in pairs:
            repository.git("config", name, value.format(trap=trap))

    return apply


def _hooks(repository: Repository, trap: Path) -> None:
    for name in ("post-index-change", "post-checkout", "pre-commit", "reference-transaction"):
        (repository.folder / ".git" / "hooks" / name).write_text(f"#!/bin/sh\n{trap}\n")
        (repository.folder / ".git" / "hooks" / name).chmod(0o755)


TRAPS = {
    "monitor": _settings(("core.fsmonitor", "{trap}")),
    "hooks": _hooks,
    "hooks elsewhere": _settings(("core.hooksPath", ".hooks")),
    "pager": _settings(("core.pager", "{trap}"), ("pager.diff", "{trap}")),
    "differ": _settings(("diff.external", "{trap}")),
    "driver": _settings(("diff.d.command", "{trap}"), ("diff.d.textconv", "{trap}")),
    "filter": _settings(("filter.f.clean", "{trap}"), ("filter.f.smudge", "{trap}"), ("filter.f.required", "true")),
    "process": _settings(("filter.f.process", "{trap}")),
    "filter with a sign": _settings(("filter.f=g.clean", "{trap}")),
    "signatures": _settings(("log.showSignature", "true"), ("gpg.program", "{trap}")),
    "alias": _settings(("alias.diff", "!{trap}"), ("alias.rev-list", "!{trap}")),
}


@pytest.mark.parametrize("name", TRAPS)
def test_nothing_of_the_repository_runs(repository: Repository, trap: Path, tmp_path: Path, name: str) -> None:
    repository.write(".gitattributes", "*.py diff=d filter=f\n" if "sign" not in name else "*.py filter=f=g\n")
    repository.write("porter-baseline.txt", "")
    repository.commit(a="x\n", b="long enough to be found\n" * 9)
    repository.git("mv", "b.py", "c.py")
    hooks = repository.folder / ".hooks"
    hooks.mkdir()
    (hooks / "post-index-change").symlink_to(trap)
    repository.write("a.py", "y\n")
    TRAPS[name](repository, trap)
    (tmp_path / "sprung").unlink(missing_ok=True)
    assert Changes(["."], "HEAD", merge_base=True).touch(FOUND)
    assert Past(Path("porter-baseline.txt")).renames() == {"b.py": "c.py"}
    assert not (tmp_path / "sprung").exists(), (tmp_path / "sprung").read_text()


def test_the_traps_work(repository: Repository, trap: Path, tmp_path: Path) -> None:
    repository.write(".gitattributes", "*.py filter=f\n")
    repository.commit(a="x\n")
    repository.write("a.py", "y\n")
    TRAPS["filter"](repository, trap)
    repository.git("diff", "HEAD")
    assert (tmp_path / "sprung").exists()


def test_missing_contents_are_not_fetched(repository: Repository, trap: Path, tmp_path: Path) -> None:
    repository.git("config", "uploadpack.allowFilter", "true")
    first = repository.commit(a="x\n" * 9)
    repository.commit(a="y\n" * 9)
    clone = Repository(tmp_path / "clone", "--filter=blob:none", f"file://{repository.folder}")
    clone.git("config", "remote.origin.uploadpack", str(trap))
    clone.git("config", "core.sshCommand", str(trap))
    with pytest.raises(GitError):
        Changes([str(clone.folder)], first).touch(replace(FOUND, path=str(clone.folder / "a.py")))
    assert not (tmp_path / "sprung").exists()


def test_variables_of_a_hook_lead_nowhere(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = repository.commit(a="x\n")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere")
    assert Git(str(repository.folder)).commit("HEAD") == commit


def test_settings_of_the_users_own_hold(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, (name, value) in enumerate({"filter.mine.clean": "cat", "user.name": "me"}.items()):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", name)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "2")
    repository.git("config", "filter.theirs.clean", "cat")
    git = Git(str(repository.folder))
    with git.reading("config", "--get-regexp", r"^(filter|user)\.") as output:
        found = dict(line.split(" ", 1) for line in output.read().decode().splitlines())
    assert (found["filter.mine.clean"], found["filter.theirs.clean"], found["user.name"]) == ("cat", "", "me")
