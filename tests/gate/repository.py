"""Real git repositories to try the gate on."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_SETTINGS = {
    "user.name": "porter",
    "user.email": "porter@example.org",
    "commit.gpgsign": "false",
    "init.defaultBranch": "main",
    "protocol.file.allow": "always",
}


class Repository:
    """One repository in ``folder``."""

    def __init__(self, folder: Path, *clone: str) -> None:
        """Make a new one, or clone one with the given arguments."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.git(*(["clone", "-q", *clone, "."] if clone else ["init", "-q"]))

    def git(self, *arguments: str, check: bool = True) -> str:
        """Run git as a user does."""
        options = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        done = subprocess.run(
            ["git", *options, *arguments], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def write(self, path: str, text: str) -> Path:
        """Put a file into the work tree."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def commit(self, **files: str) -> str:
        """Write files (``a__b`` is ``a/b``, all end in ``.py``), and commit all there is. The commit's name."""
        for name, text in files.items():
            self.write(name.replace("__", "/") + ".py", text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "x")
        return self.git("rev-parse", "HEAD").strip()
