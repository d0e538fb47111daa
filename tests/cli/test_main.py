"""The command line itself: how it starts, fails and ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import porter
from porter.cli import main
from porter.cli.output import colored

ROOT = Path(porter.__file__).parents[1]
PORTER = [sys.executable, "-m", "porter"]
ENV = {**os.environ, "PYTHONPATH": str(ROOT)}


def modules(*arguments: str) -> set[str]:
    """What a run of porter has imported when it ends."""
    code = "import sys; from porter.cli import main; main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    run = subprocess.run([sys.executable, "-c", code, *arguments], env=ENV, capture_output=True, text=True, check=True)
    return set(run.stderr.split())


def test_version_imports_no_engine() -> None:
    loaded = modules("--version")
    assert "click" in loaded
    assert not loaded & {"porter.engine", "porter.catalog", "msgspec", "libcst", "rich", "torch", "pathspec"}


def test_version_is_quick() -> None:
    def seconds() -> float:
        before = os.times()
        subprocess.run([*PORTER, "--version"], env=ENV, check=True, stdout=subprocess.DEVNULL)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    assert min(seconds() for _ in range(5)) <= 0.1


def test_clean_check_imports_neither_libcst_nor_rich_nor_torch() -> None:
    Path("a.py").write_text("import torch\nx = torch.zeros(3)\n")
    assert not modules("check", "--isolated", "a.py") & {"libcst", "rich", "torch"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["chek"], "No such command 'chek'"),
        (["check", "--bogus"], "No such option"),
        (["check", "nowhere.py"], "'nowhere.py' does not exist"),
        (["check", "--target", "tpu"], "'tpu' is not one of"),
        (["check", "-j", "0"], "-j"),
        (["check", "--stdin-filename", "a.py"], "add `-` to the arguments"),
        (["check", "-", "a.py"], "`-` stands alone"),
        (["check", "--per-file-ignores", "PRT101"], "is not PATTERN:CODE"),
        (["check", "--select", "PRT999"], "`PRT999` selects no rule"),
        (["rewrite", "--diff", "--write"], "exclude one another"),
        (["rewrite", "--check", "--write"], "--check writes nothing"),
    ],
)
def test_wrong_usage_is_named_and_ends_with_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.py").write_text("")
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err


def test_broken_settings_are_named_and_end_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    Path("pyproject.toml").write_text("[tool.porter]\ntaget = 'xla'\n")
    assert main(["check"]) == 2
    assert "unknown key `taget`; did you mean `target`?" in capsys.readouterr().err


def test_defect_of_porter_is_confessed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("row")

    monkeypatch.setattr("porter.engine.run", broken)
    assert main(["check"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("porter: internal error: KeyError: 'row' (test_main.py:")
    assert "PORTER_TRACEBACK=1" in err
    assert "Traceback" not in err
    monkeypatch.setenv("PORTER_TRACEBACK", "1")
    assert main(["check"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_nobody_reads() -> None:
    Path("a.py").write_text("import torch\n" + "torch.zeros(1).cuda()\n" * 3000)
    process = subprocess.Popen(
        [*PORTER, "check", "--isolated", "a.py"], env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 128 + signal.SIGPIPE
    assert b"Traceback" not in err
    assert b"BrokenPipe" not in err


def test_interrupted() -> None:
    process = subprocess.Popen(
        [*PORTER, "check", "-"], env=ENV, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    time.sleep(0.7)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert b"Traceback" not in err


class Stream:
    """A stream that is, or is not, a terminal."""

    def __init__(self, terminal: bool) -> None:
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.mark.parametrize(
    ("choice", "terminal", "environment", "expected"),
    [
        ("auto", True, {}, True),
        ("auto", False, {}, False),
        ("auto", True, {"NO_COLOR": "1"}, False),
        ("auto", True, {"TERM": "dumb"}, False),
        ("auto", False, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, True),
        ("never", True, {"FORCE_COLOR": "1"}, False),
        ("always", False, {"NO_COLOR": "1"}, True),
    ],
)
def test_colour(
    choice: str, terminal: bool, environment: dict[str, str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert colored(choice, Stream(terminal)) is expected  # type: ignore[arg-type]
