"""`porter check -o`: several reports of one run, the same bytes whatever the number of processes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from porter.cli import main
from porter.config import OutputFormat
from porter.report import CHECK_FORMATS

MODULE = "import torch\n\n\ndef f():\n    return torch.zeros(3, device='cuda'), torch.cuda.current_stream()\n"
MACHINES = ("json", "jsonl", "sarif", "gitlab")
SCANS = ("scan", "scan --format markdown")


def check(*arguments: str) -> int:
    return main(["check", "--isolated", "--no-cache", "-q", *arguments])


def test_the_settings_know_every_format() -> None:
    assert OutputFormat.__args__ == tuple(CHECK_FORMATS)


@pytest.mark.usefixtures("repository")
def test_one_run_writes_several_reports(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("-o", "sarif:porter.sarif", "--output", "junit:out.xml", "--format", "concise") == 1
    assert capsys.readouterr().out.startswith("ascii.ipynb:cell 2:3:27: PRT101")
    assert Path("porter.sarif").read_text().startswith('{\n  "$schema"')
    assert Path("out.xml").read_text().startswith("<?xml")
    assert stat.S_IMODE(Path("out.xml").stat().st_mode) == 0o666 & ~_umask()


@pytest.mark.usefixtures("repository")
def test_without_a_format_the_file_takes_the_place_of_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("-o", "report.txt", "--color", "always", "--format", "grouped") == 1
    assert capsys.readouterr().out == ""
    assert Path("report.txt").read_text().startswith("ascii.ipynb:\n  cell 2:3:27  PRT101 [*] device string")


def test_a_clean_run_writes_reports_too(here: Path) -> None:
    Path("a.py").write_text("import torch\n")
    Path("old.json").write_text("left from before")
    assert check("-o", "gitlab:old.json") == 0
    assert Path("old.json").read_text() == "[]\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "sarif:"], "`sarif:` names no file"),
        (["-o", "a", "-o", "b"], "give the format of all but one file"),
        (["-o", "sarif:a", "-o", "json:./a"], "two reports cannot go to one file"),
        (["-o", "sarif:no/such/folder"], "cannot be written: no such file or directory"),
        (["-o", "sarif:/dev/full"], "cannot be written: no space left on device"),
    ],
)
def test_what_cannot_be_written(
    arguments: list[str], message: str, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(*arguments) == 2
    assert message in capsys.readouterr().err


def test_a_report_that_fails_leaves_the_file_as_it_was(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from porter.cli import outputs
    from porter.cli.options import Failure

    def full_disk() -> object:
        yield "half a rep"
        raise OSError(28, "No space left on device")

    Path("report").write_text("before")
    with pytest.raises(Failure, match="no space left"):
        outputs.save(Path("report"), full_disk())  # type: ignore[arg-type]
    assert Path("report").read_text() == "before"
    assert not list(repository.glob(".report*"))


def test_a_link_stays_one(repository: Path) -> None:
    Path("real.json").write_text("")
    Path("link.json").symlink_to("real.json")
    assert check("-o", "json:link.json") == 1
    assert Path("link.json").is_symlink()
    assert Path("real.json").read_text().startswith("{")


def test_reports_are_the_same_whatever_the_number_of_processes(here: Path) -> None:
    filler = "# nothing here\n" * 2500  # 2 MB in all: below that one process does it all
    for i in range(66):
        Path(f"m{i:02}.py").write_text(MODULE + filler)
    written = []
    for jobs in ("1", "3"):
        outputs = [f"{name}:{here.parent / jobs}.{name}" for name in CHECK_FORMATS]
        assert check("-j", jobs, *(word for output in outputs for word in ("-o", output)), "--format", "concise") == 1
        written.append([(here.parent / f"{jobs}.{name}").read_bytes() for name in CHECK_FORMATS])
    assert all(written[0])
    assert dict(zip(CHECK_FORMATS, written[0], strict=True)) == dict(zip(CHECK_FORMATS, written[1], strict=True))


@pytest.mark.parametrize("command", [*(f"check --format {name}" for name in CHECK_FORMATS), *SCANS])
def test_nothing_steers_a_terminal(command: str, repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad\x1b]0;title\x07\u202e.py").write_text("import torch\nx = '\x1b[2J\u202e'; d = torch.device('cuda')\n")
    Path("dead\x1b[2J.py").symlink_to("nowhere")
    main([*command.split(), "--isolated", "--no-cache", ".", "dead\x1b[2J.py"])
    said = capsys.readouterr()
    out = said.out.replace("\N{WORD JOINER}", "")  # ours
    if command.endswith(MACHINES):  # what a file is called must reach them unchanged
        out = out.replace("\u202e", "")
    assert not [char for char in out + said.err if not char.isprintable() and char != "\n"]


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
