"""A repository that is full of traps: every command that asks git, and nothing of the repository runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.gate.repository import Repository

CUDA = 'import torch\n\nd = torch.device("cuda")\n'
HOOKS = (
    *("applypatch-msg", "fsmonitor-watchman", "post-checkout", "post-commit", "post-index-change", "post-merge"),
    *("pre-commit", "pre-auto-gc", "reference-transaction", "sendemail-validate", "p4-pre-submit"),
)
# Settings of git that name programs.
SETTINGS = (
    *("core.fsmonitor", "core.pager", "core.editor", "core.sshCommand", "core.askPass", "core.gitProxy"),
    *("diff.external", "diff.d.command", "diff.d.textconv", "merge.d.driver", "gpg.program", "pager.diff"),
    *("pager.ls-files", "filter.f.clean", "filter.f.smudge", "filter.f.process", "interactive.diffFilter"),
    *(
        "credential.helper",
        "uploadpack.packObjectsHook",
        "sequence.editor",
        "gpg.ssh.program",
        "core.alternateRefsCommand",
    ),
)
COMMANDS = ("ls-files", "diff", "rev-parse", "log", "show", "rev-list", "merge-base", "status", "config", "cat-file")


@pytest.fixture
def mark(repository: Repository, tmp_path: Path) -> Path:
    """What a program of the repository leaves when it runs."""
    mark, trap = tmp_path / "sprung", tmp_path / "trap"
    trap.write_text(f'#!/bin/sh\necho "$0 $*" >> {mark}\ncat\n')
    trap.chmod(0o755)
    repository.write("sub/b.py", CUDA)
    repository.write(".gitattributes", "*.py diff=d filter=f merge=d\n")
    repository.commit(a=CUDA)
    repository.write("a.py", CUDA + CUDA)
    repository.write("new.py", CUDA)
    for hook in HOOKS:
        file = repository.folder / ".git" / "hooks" / hook
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\nexec {trap}\n")
        file.chmod(0o755)
    for name in SETTINGS:
        repository.git("config", name, str(trap))
    for command in COMMANDS:
        repository.git("config", f"alias.{command}", f"!{trap}")
    repository.git("config", "log.showSignature", "true")
    repository.git("config", "filter.f.required", "true")
    repository.git("config", "diff.submodule", "diff")
    mark.unlink(missing_ok=True)
    return mark


@pytest.mark.parametrize(
    "arguments",
    [
        "check .",
        "check --since HEAD .",
        "check --diff-base HEAD .",
        "check --write-baseline .",
        "scan .",
        "rewrite .",
        "rewrite --write .",
        "rewrite --patch ../p.diff .",
    ],
)
def test_no_command_runs_anything_of_it(arguments: str, repository: Repository, mark: Path) -> None:
    command = [sys.executable, "-m", "porter", *arguments.split()]
    done = subprocess.run(command, cwd=repository.folder, capture_output=True, text=True, check=False, timeout=100)
    assert "internal error" not in done.stderr
    assert done.stdout or done.stderr
    assert not mark.exists(), mark.read_text()


def test_the_traps_work(repository: Repository, mark: Path) -> None:
    subprocess.run(["git", "status"], cwd=repository.folder, check=False, capture_output=True, timeout=60)
    assert mark.exists()
