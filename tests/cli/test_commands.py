"""Commands from end to end, on a small program: what they print, what they write, how they exit."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from syrupy.assertion import SnapshotAssertion

from porter.cli import main

TRAIN = """\
import torch
from torch import nn


def main():
    device = torch.device("cuda")
    model = nn.DataParallel(nn.Linear(4, 4).to(device))
    torch.cuda.manual_seed(0)
    torch.cuda.synchronize()
    print(model, torch.cuda.get_device_capability())
"""
CLEAN = "import torch\n\nx = torch.zeros(3)\n"


@pytest.fixture
def train() -> Path:
    """A program with something of every kind."""
    file = Path("train.py")
    file.write_text(TRAIN)
    return file


class Outcome:
    """What one run of porter did."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    def __repr__(self) -> str:
        return f"exit {self.status}\n--- stdout\n{self.out}--- stderr\n{self.err}"


@pytest.fixture
def porter(capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """Run a command in this process."""

    def run(*arguments: str) -> Outcome:
        status = main(arguments)
        return Outcome(status, *capsys.readouterr())

    return run


def following(err: str) -> str:
    """The first command that a summary proposes."""
    lines = err.splitlines()
    return lines[lines.index("Next:") + 1].partition("  # ")[0]


def test_check(porter, train, snapshot: SnapshotAssertion) -> None:  # type: ignore[no-untyped-def]
    assert repr(porter("check")) == snapshot


def test_check_concise(porter, train, snapshot: SnapshotAssertion) -> None:  # type: ignore[no-untyped-def]
    assert repr(porter("check", "--format", "concise")) == snapshot


def test_check_of_clean_code(porter) -> None:  # type: ignore[no-untyped-def]
    Path("a.py").write_text(CLEAN)
    outcome = porter("check")
    assert (outcome.status, outcome.out, outcome.err) == (0, "", "All checks passed!\n")
    assert porter("check", "-q").err == ""


def test_check_json(porter, train) -> None:  # type: ignore[no-untyped-def]
    outcome = porter("check", "--format", "json")
    data = msgspec.json.decode(outcome.out)
    assert (outcome.status, data["files"], data["errors"]) == (1, 1, [])
    raw = train.read_bytes()
    [device] = [f for f in data["findings"] if f["symbol"] == "cuda"]
    [edit] = device["fix"]["edits"]
    assert raw[edit["start"] : edit["end"]].strip(b'"') == b"cuda"
    assert TRAIN.splitlines()[device["line"] - 1][device["column"] - 1 : device["end_column"] - 1] == '"cuda"'


def test_json_of_clean_code_is_json_too(porter) -> None:  # type: ignore[no-untyped-def]
    Path("a.py").write_text(CLEAN)
    assert msgspec.json.decode(porter("check", "--format", "json").out)["findings"] == []


def test_format_from_the_settings(porter, train) -> None:  # type: ignore[no-untyped-def]
    Path("porter.toml").write_text('output-format = "concise"\n')
    assert porter("check").out.startswith("train.py:6:")
    assert porter("check", "--format", "json").out.startswith("{")


def test_select_and_ignore(porter, train) -> None:  # type: ignore[no-untyped-def]
    only = porter("check", "--format", "concise", "--select", "PRT301").out
    assert [line.split()[1] for line in only.splitlines()] == ["PRT301"]
    assert "PRT301" not in porter("check", "--format", "concise", "--ignore", "PRT301,PRT502").out
    assert porter("check", "--per-file-ignores", "train.py:PRT").status == 0
    assert porter("check", "--exclude", "train.py").status == 0


def test_verbose_shows_what_needs_no_change(porter) -> None:  # type: ignore[no-untyped-def]
    Path("a.py").write_text('raise SystemExit("needs cuda to run")\n')
    quiet, loud = porter("check"), porter("check", "-v")
    assert (quiet.status, loud.status) == (0, 0)
    assert "no use" not in quiet.err
    assert "a.py:1: no use: " in loud.err
    Path("a.py").write_text("from hccl import Communicator as NcclCommunicator\n")
    assert "a.py:1: no use: a name of this program" in porter("check", "-v").err


def test_check_of_standard_input(porter, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TRAIN.encode())))
    outcome = porter("check", "-", "--stdin-filename", "sub/train.py")
    assert outcome.status == 1
    assert "--> sub/train.py:6:" in outcome.out
    assert '6 |     device = torch.device("cuda")' in outcome.out


def test_file_that_does_not_parse_is_a_finding(porter) -> None:  # type: ignore[no-untyped-def]
    Path("a.py").write_text("import torch\ndef f(:\n    torch.cuda.synchronize()\n")
    outcome = porter("check")
    assert outcome.status == 1
    assert "PRT001 does not parse" in outcome.out
    assert "warning" not in outcome.err  # said once
    assert len(msgspec.json.decode(porter("check", "--format", "json").out)["errors"]) == 1
    assert porter("check", "--per-file-ignores", "a.py:PRT001").status == 0
    scan = porter("scan").out
    assert "No CUDA use that needs a change." in scan
    assert "Not looked at\na.py:2: does not parse" in scan


def test_file_that_cannot_be_read_fails_the_gate(porter) -> None:  # type: ignore[no-untyped-def]
    os.mkfifo("a.py")
    outcome = porter("check", "a.py")
    assert (outcome.status, outcome.out) == (2, "")
    assert "warning: a.py: is not a regular file" in outcome.err


def test_scan_never_fails(porter, train) -> None:  # type: ignore[no-untyped-def]
    outcome = porter("scan")
    assert (outcome.status, outcome.err) == (0, "")
    assert "CUDA uses" in outcome.out
    assert "\x1b" not in outcome.out
    assert porter("scan", "--format", "markdown").out.startswith("# porter scan .\n")
    data = msgspec.json.decode(porter("scan", "--format", "json").out)
    assert data["summary"]["uses"] == len([f for f in data["findings"] if f["verdict"] != "portable"])


def test_scan_of_an_empty_folder(porter) -> None:  # type: ignore[no-untyped-def]
    outcome = porter("scan")
    assert outcome.status == 0
    assert "No CUDA use that needs a change." in outcome.out


def test_rewrite_shows_a_patch(porter, train, snapshot: SnapshotAssertion) -> None:  # type: ignore[no-untyped-def]
    outcome = porter("rewrite")
    assert repr(outcome) == snapshot
    assert train.read_text() == TRAIN
    subprocess.run(["git", "apply", "--check", "-"], input=outcome.out.encode(), check=True)


def test_rewrite_in_place_then_again(porter, train) -> None:  # type: ignore[no-untyped-def]
    patch = porter("rewrite").out
    outcome = porter("rewrite", "--write")
    assert (outcome.status, outcome.out) == (0, "")
    assert outcome.err.startswith("Rewrote 1 file: 3 of 5 CUDA uses (60 %).\n")
    assert 'torch.device("neuron")' in train.read_text()
    subprocess.run(["git", "apply", "--check", "--reverse", "-"], input=patch.encode(), check=True)
    again = porter("rewrite")
    assert (again.status, again.out) == (0, "")
    assert again.err.startswith("Nothing to rewrite.\n")


def test_rewrite_to_a_patch_file(porter, train) -> None:  # type: ignore[no-untyped-def]
    outcome = porter("rewrite", "--patch", "port.patch")
    assert (outcome.status, outcome.out) == (0, "")
    assert outcome.err.startswith("Saved the rewrite of 1 file as port.patch: 3 of 5 CUDA uses (60 %).\n")
    subprocess.run(following(outcome.err), shell=True, check=True)
    assert 'torch.device("neuron")' in train.read_text()


def test_patch_of_files_elsewhere_applies_there(porter, train, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    Path("work").mkdir()
    monkeypatch.chdir("work")
    outcome = porter("rewrite", "--patch", "port.patch", "..")
    subprocess.run(following(outcome.err), shell=True, check=True)
    assert 'torch.device("neuron")' in Path("../train.py").read_text()


def test_rewrite_check(porter, train) -> None:  # type: ignore[no-untyped-def]
    outcome = porter("rewrite", "--check")
    assert (outcome.status, outcome.out) == (1, "")
    assert porter("rewrite", "--check", "--diff").out.startswith("diff --git a/train.py b/train.py\n")
    train.write_text(CLEAN)
    assert porter("rewrite", "--check").status == 0


def test_rewrite_of_standard_input(porter, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    for text in (TRAIN, CLEAN):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        outcome = porter("rewrite", "--write", "-", "--stdin-filename", "train.py")
        assert outcome.status == 0
        assert outcome.out == text.replace('"cuda"', '"neuron"').replace("torch.cuda.s", "torch.neuron.s").replace(
            "torch.cuda.m", "torch.neuron.m"
        )


def test_safe_only_leaves_what_needs_review(porter, train) -> None:  # type: ignore[no-untyped-def]
    outcome = porter("rewrite", "--safe-only")
    assert "torch.neuron.manual_seed" not in outcome.out
    assert "torch.neuron.synchronize" in outcome.out
    assert "Left out by --safe-only: " in outcome.err


def test_annotate_leaves_a_comment(porter, train) -> None:  # type: ignore[no-untyped-def]
    assert "+    # TODO(porter) PRT502: " in porter("rewrite", "--annotate").out


def test_read_only_file_is_left_and_named(porter, train) -> None:  # type: ignore[no-untyped-def]
    train.chmod(0o444)
    other = Path("other.py")
    other.write_text(TRAIN)
    outcome = porter("rewrite", "--write")
    assert outcome.status == 2
    assert "error: train.py: is read-only" in outcome.err
    assert train.read_text() == TRAIN
    assert 'torch.device("neuron")' in other.read_text()


def test_patch_keeps_newlines_and_encoding() -> None:
    raw = b'# -*- coding: latin-1 -*-\r\nimport torch\r\nname = "caf\xe9"\r\nd = torch.device("cuda")\r\n'
    Path("a.py").write_bytes(raw)
    command = [sys.executable, "-m", "porter", "rewrite", "-q"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    patch = subprocess.run(command, capture_output=True, check=True, env=environment).stdout
    subprocess.run(["git", "apply", "-"], input=patch, check=True)
    assert Path("a.py").read_bytes() == raw.replace(b'"cuda"', b'"neuron"')
