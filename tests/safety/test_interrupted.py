"""Interrupted at any point, every file of a tree is as it was or as it is to be, and porter says which."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from porter import engine
from porter.cli import main
from porter.cli import write as writing
from porter.cli.write import SCRATCH, WriteError, replace
from porter.config import load

OLD, NEW = b'import torch\n\nd = torch.device("cuda")\n', b'import torch\n\nd = torch.device("neuron")\n'
FILES = ("a.py", "b.py", "pkg/c.py")
WRITE = ["rewrite", "--write", "--isolated", "--no-cache", "."]
# What the interpreter tells its audit hooks of, on the way from the old file to the new one.
STEPS = frozenset(
    {"open", "tempfile.mkstemp", "os.chmod", "os.chown", "os.listxattr", "os.setxattr", "os.rename", "os.remove"}
)


@pytest.fixture(autouse=True)
def _tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tree" / "pkg").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "tree")
    _fill()


def _fill() -> None:
    for path in [*Path().rglob(f"{SCRATCH}*"), *map(Path, FILES)]:
        path.unlink(missing_ok=True)
    for name in FILES:
        Path(name).write_bytes(OLD)


def _child(act: Callable[[], None]) -> tuple[int, str]:
    """Run porter in a process of its own, ``act`` first: its status as `os.wait` tells it, and what it said."""
    said = Path("../said")
    pid = os.fork()
    if not pid:
        try:
            log = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(log, 1)
            os.dup2(log, 2)
            sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
            signal.signal(signal.SIGINT, signal.default_int_handler)
            act()
            status = main(WRITE)
            sys.stderr.flush()
        except BaseException:
            status = 70
        os._exit(status)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), said.read_text()


def _at(step: int, signum: int) -> Callable[[], None]:
    """Have a signal come at a step of the writing, counted from 1."""

    def prepare() -> None:
        seen = 0

        def hook(event: str, _: object) -> None:
            nonlocal seen
            if event in STEPS and (seen or event == "tempfile.mkstemp"):
                seen += 1
                if seen == step:
                    os.kill(os.getpid(), signum)

        sys.addaudithook(hook)

    return prepare


def _states() -> dict[str, bytes]:
    return {name: Path(name).read_bytes() for name in FILES}


def _scratches() -> list[Path]:
    return list(Path().rglob(f"{SCRATCH}*"))


def _every_step(signum: int) -> Iterator[tuple[int, str]]:
    """Interrupt the writing at its first step, then at its second, until it gets to its end."""
    engine.rewrite(["."], load(isolated=True, overrides={"cache": False}))  # whose children have all imported then
    for step in range(1, 200):
        _fill()
        status, said = _child(_at(step, signum))
        if status == 0:
            assert step > len(FILES) * 4, "there are at least so many steps"
            return
        yield status, said
    raise AssertionError("it never came to its end")


def test_killed_at_every_step() -> None:
    mixed = 0
    for status, _ in _every_step(signal.SIGKILL):
        states = _states()
        assert status == -signal.SIGKILL
        assert set(states.values()) <= {OLD, NEW}
        assert len(_scratches()) <= 1
        mixed += len(set(states.values())) == 2
        again, said = _child(lambda: None)  # the second run says what was left, and does it
        left = sum(content == OLD for content in states.values())
        assert again == 0
        assert (f"Rewrote {left} file" in said) if left else ("Nothing to rewrite" in said)
        assert set(_states().values()) == {NEW}
    assert mixed > len(FILES), "some of these kills came between two files"


def test_interrupted_at_every_step() -> None:
    mixed = 0
    for status, said in _every_step(signal.SIGINT):
        states = _states()
        assert status == 130
        assert set(states.values()) <= {OLD, NEW}
        assert _scratches() == []
        for name, content in states.items():
            assert f"{name}: {'rewritten' if content == NEW else 'left as before'}" in said
        written = sum(content == NEW for content in states.values())
        plural = "file" if written == 1 else "files"
        assert f"interrupted: {written} {plural} rewritten, {len(FILES) - written} left as before" in said
        mixed += len(set(states.values())) == 2
    assert mixed >= len(FILES)


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_stopped_at_any_moment(signum: signal.Signals) -> None:
    """From outside, by the clock."""
    for number in range(300):
        Path(f"pkg/m{number}.py").write_bytes(OLD)
    command = [sys.executable, "-m", "porter", *WRITE]
    for delay in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        process.send_signal(signum)
        process.wait()
        assert {path.read_bytes() for path in Path().rglob("[a-z]*.py")} <= {OLD, NEW}
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    assert {path.read_bytes() for path in Path().rglob("[a-z]*.py")} == {NEW}


def test_a_full_disk_leaves_each_file_whole() -> None:
    """Files may grow to 2 KiB, which is what a full disk looks like to a program, but for the error's name."""
    large = OLD + b"# large\n" * 1000
    Path("b.py").write_bytes(large)

    def fill() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))

    status, said = _child(fill)
    assert status == 2
    assert "error: b.py: cannot be written: file too large; left alone" in said
    assert _states() == dict.fromkeys(FILES, NEW) | {"b.py": large}
    assert _scratches() == []


def test_a_file_that_was_replaced_meanwhile_is_not_overwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = b"theirs\n"

    def replaced(scratch: Path, path: Path, info: os.stat_result) -> None:
        path.unlink()
        path.write_bytes(theirs)

    monkeypatch.setattr(writing, "_dress", replaced)
    with pytest.raises(WriteError, match="has changed since porter read it"):
        replace(Path("a.py"), OLD, NEW, within=Path())
    assert Path("a.py").read_bytes() == theirs
    assert _scratches() == []


@pytest.mark.parametrize("theirs", ["fifo", "folder", "device", "longer"])
def test_what_has_taken_the_place_of_a_file_is_left(theirs: str) -> None:
    path = Path("a.py")
    if theirs == "longer":
        path.write_bytes(OLD + b"x")
    else:
        path.unlink()
    if theirs == "fifo":
        os.mkfifo(path)
    elif theirs == "folder":
        path.mkdir()
    elif theirs == "device":
        path.symlink_to("/dev/zero")
    with pytest.raises(WriteError):
        replace(path, OLD, NEW, within=Path())
    assert _scratches() == []


def test_what_a_file_has_beside_its_contents_stays() -> None:
    path = Path("a.py")
    path.chmod(0o750)
    if os.geteuid() == 0:
        os.chown(path, 12, 34)
    try:
        os.setxattr(path, "user.origin", b"here")
    except OSError:
        pytest.skip("this file system has no extended attributes")
    before = path.stat()
    replace(path, OLD, NEW, within=Path())
    after = path.stat()
    assert path.read_bytes() == NEW
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert os.getxattr(path, "user.origin") == b"here"


def test_the_longest_of_names() -> None:
    path = Path("x" * 252 + ".py")
    path.write_bytes(OLD)
    replace(path, OLD, NEW, within=Path())
    assert path.read_bytes() == NEW
