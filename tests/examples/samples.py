"""The sample models: what their ports are made of.

``examples/<name>/port`` is what ``porter rewrite`` makes of ``original``, with ``port.patch`` applied where a person
had to finish the work. Nothing else may be in it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
BY_PEOPLE = ("manual", "blocked", "unknown")
_REWRITE = ("rewrite", ".", "--write", "--quiet", "--isolated", "--no-cache", "--target", "neuron")
_LEFTOVERS = shutil.ignore_patterns("__pycache__", "*.pt")

Files = dict[str, bytes]  # by path, with `/`


class PatchFails(Exception):
    """``port.patch`` does not apply to what porter makes now."""


@dataclass(frozen=True)
class Sample:
    """A folder of ``examples/``."""

    name: str

    @property
    def folder(self) -> Path:
        return EXAMPLES / self.name

    @property
    def patch(self) -> Path:
        """What was edited by hand after porter; the file may be absent."""
        return self.folder / "port.patch"

    @contextmanager
    def rewritten(self, *, by_hand: bool) -> Iterator[Path]:
        """A folder with what porter makes of the original, and with the edits of people if ``by_hand``.

        Raises:
            PatchFails: the edits of people do not apply.
        """
        with tempfile.TemporaryDirectory(prefix="porter-example-") as temporary:
            port = Path(temporary, "a")
            shutil.copytree(self.folder / "original", port, ignore=_LEFTOVERS)
            porter(*_REWRITE, cwd=port)
            if by_hand and self.patch.exists():
                command = ["git", "apply", str(self.patch)]
                done = subprocess.run(command, cwd=port, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise PatchFails(f"{self.name}: {done.stderr}")
            yield port

    def write_port(self) -> None:
        """Make ``port`` anew. Raises PatchFails."""
        with self.rewritten(by_hand=True) as made:
            shutil.rmtree(self.folder / "port", ignore_errors=True)
            shutil.copytree(made, self.folder / "port")

    def write_patch(self) -> None:
        """Make ``port.patch`` of what ``port`` holds beyond porter's own work."""
        with self.rewritten(by_hand=False) as made:
            shutil.copytree(self.folder / "port", made.with_name("b"), ignore=_LEFTOVERS)
            command = ["git", "diff", "--no-index", "--no-prefix", "--no-color", "a", "b"]
            done = subprocess.run(command, cwd=made.parent, capture_output=True, text=True, check=False)
        if done.stdout:
            self.patch.write_text(done.stdout, encoding="utf-8")
        else:
            self.patch.unlink(missing_ok=True)

    def counts(self) -> dict[str, int]:
        """How many uses of CUDA porter finds in the original, by verdict."""
        output = porter("scan", str(self.folder / "original"), "--isolated", "--no-cache", "--format", "json")
        verdicts: dict[str, int] = json.loads(output)["summary"]["verdicts"]
        return verdicts


def samples() -> list[Sample]:
    """All of them, by name."""
    return [Sample(folder.name) for folder in sorted(EXAMPLES.iterdir()) if (folder / "original").is_dir()]


def files(folder: Path) -> Files:
    """What is in a folder, but for what running it leaves there."""
    found = (path for path in folder.rglob("*") if path.is_file())
    kept = (path for path in found if "__pycache__" not in path.parts and path.suffix != ".pt")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in kept}


def porter(*arguments: str, cwd: Path = ROOT) -> str:
    """What porter prints. Raises RuntimeError with its message if it does not end with 0."""
    command = [sys.executable, "-m", "porter", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"porter {' '.join(arguments)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout
