"""What a run of porter costs and leaves behind, proven on the real thing in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {"libcst", "torch", "rich", "pygls", "lsprotocol"}

PROBE = """
import sys
from porter.cli import main
print("status", main(["check", "--no-cache", *sys.argv[1:]]))
print("modules", *sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.mark.parametrize("known", [False, True], ids=["clean", "clean but for the baseline"])
def test_a_clean_check_imports_nothing_heavy(tmp_path: Path, known: bool) -> None:
    text = "import torch\n\nx = torch.zeros(3, device='cpu')  # not cuda\n"
    arguments = ["-c", PROBE, str(tmp_path)]
    if known:
        text += "torch.cuda.synchronize()\n"
        entry = "train.py\tPRT201\ttorch.cuda.synchronize\ttorch.cuda.synchronize()\n"
        (tmp_path / "known.txt").write_text(f"# porter baseline 1\n{entry}", encoding="utf-8")
        arguments += ["--baseline", str(tmp_path / "known.txt")]
    (tmp_path / "train.py").write_text(text, encoding="utf-8")
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT.parent, capture_output=True, text=True, check=True)
    *_, status, modules = done.stdout.splitlines()
    assert status == "status 0", done.stdout + done.stderr
    assert not HEAVY & set(modules.split()[1:])


def test_porter_on_porter_is_clean() -> None:
    command = [sys.executable, "-m", "porter", "check", "--no-cache", "--format", "concise", "."]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
