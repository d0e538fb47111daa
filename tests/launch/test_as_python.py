"""A program under `porter run` is what it is under plain Python: what it sees, and how it ends."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

pytest.importorskip("torch")

from tests.launch.program import PORTER, PYTHON, parts, porter, python, run, write

ITSELF = """
import json, sys
from pathlib import Path

facts = {
    "argv": sys.argv,
    "path": sys.path,
    "name": __name__,
    "file": __file__,
    "main": sys.modules["__main__"].__dict__ is globals(),
    "package": __package__,
    "spec": __spec__ and __spec__.name,
    "executable": sys.executable,
    "options": [*sys.warnoptions, sys._xoptions, sys.flags.optimize, sys.stdout.write_through],
    "original": sys.orig_argv[1:],
    "stdin": sys.stdin.read(),
}
if __name__ == "__main__":
    print(json.dumps(facts, indent=1))
    print("talk", file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["train.py", "--device", "sim", "-m", "--", "--help"],
        ["folder/train.py", "-v"],
        ["-m", "package.train", "--trace", "none", "-q"],
        ["-m", "package", "x"],
        ["folder"],
    ],
    ids=" ".join,
)
def test_the_program_sees_what_it_sees_under_python(arguments: list[str]) -> None:
    for name in ("train.py", "folder/train.py", "folder/__main__.py", "package/train.py", "package/__main__.py"):
        write(name, ITSELF)
    write("package/__init__.py", "")
    ours, theirs = porter(*arguments), python(*arguments)
    assert theirs.returncode == 0, theirs.stderr
    assert (ours.returncode, ours.stdout, ours.stderr) == (0, theirs.stdout, theirs.stderr)


@pytest.mark.parametrize("options", [["-u"], ["-X", "dev", "-W", "error::UserWarning"], ["-O", "-B"]], ids=" ".join)
def test_options_of_python_stay(options: list[str]) -> None:
    write("train.py", ITSELF)
    ours = run(sys.executable, *options, "-m", "porter", "run", "train.py", "1")
    assert ours.stdout == run(sys.executable, *options, "train.py", "1").stdout != ""


ENDINGS = {
    "exit": "sys.exit(3)",
    "message": "sys.exit('out of data')",
    "nothing": "sys.exit()",
    "at once": "print('lost'); os._exit(7)",
    "error": "def f(x):\n    return 1 / x\n\nf(0)",
    "chain": "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise ValueError('no') from error",
    "group": "raise SystemError('defect')",
    "syntax": "if x\n    pass",
    "interrupt": "os.kill(os.getpid(), signal.SIGINT)",
    "terminate": "os.kill(os.getpid(), signal.SIGTERM)",
    "hook": "sys.excepthook = lambda *it: print('hooked', it[0])\n1 / 0",
    "exit within": "import atexit\natexit.register(print, 'bye')\nraise KeyError('x')",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_it_ends_as_under_python(ending: str) -> None:
    write("train.py", f"import os, signal, sys\n\nprint('begin')\n{ENDINGS[ending]}\n")
    ours, theirs = porter("train.py"), python("train.py")
    assert (ours.returncode, ours.stdout, ours.stderr) == (theirs.returncode, theirs.stdout, theirs.stderr)


def test_with_torch_only_porters_own_lines_are_more() -> None:
    write(
        "train.py",
        """
        import atexit
        import torch

        atexit.register(print, "bye")


        def step(x):
            return x @ torch.ones(5, 5)


        try:
            torch.zeros(0)[1]
        except IndexError:
            print(step(torch.ones(3, 3)))
        """,
    )
    ours, theirs = porter("train.py"), python("train.py")
    assert ours.returncode == theirs.returncode == 1
    assert ours.stdout == theirs.stdout
    assert parts(ours.stderr)[0] == theirs.stderr


@pytest.mark.parametrize("arguments", [["nowhere.py"], ["."], ["-m", "nowhere.at.all"]], ids=" ".join)
def test_what_cannot_be_started_is_said_by_python(arguments: list[str]) -> None:
    ours, theirs = porter(*arguments), python(*arguments)
    assert ours.returncode == theirs.returncode != 0
    assert ours.stderr == theirs.stderr


def test_an_interrupt_reaches_the_program() -> None:
    write(
        "train.py",
        """
        import time

        try:
            print("ready", flush=True)
            time.sleep(60)
        finally:
            print("tidied up", flush=True)
        """,
    )
    for command in (PYTHON, PORTER):
        child = subprocess.Popen([*command, "train.py"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
        assert (child.returncode, out) == (-signal.SIGINT, "tidied up\n")
        assert err.rstrip().endswith("KeyboardInterrupt")
