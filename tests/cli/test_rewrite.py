"""`porter rewrite` beyond a plain patch: series, reasons, comments and back, one change at a time, what git guards."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from porter import engine
from porter.cli import main
from porter.config import Settings
from porter.engine import FileChange, RewriteReport
from porter.rewrite.patch import Change

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "GIT_CONFIG_GLOBAL": os.devnull}

TRAIN = """\
import torch
from torch import nn
from torch.cuda.amp import GradScaler

BATCH = 2
FEATURES = 4
STEPS = 3
SEED = 0


def main():
    device = torch.device("cuda")
    model = nn.DataParallel(nn.Linear(FEATURES, FEATURES).to(device))
    torch.cuda.manual_seed(SEED)

    scaler = GradScaler()
    for _ in range(STEPS):
        loss = model(torch.zeros(BATCH, FEATURES, device=device)).sum()
        scaler.scale(loss).backward()
        torch.cuda.synchronize()
        print(torch.cuda.get_device_capability())


if __name__ == "__main__":
    main()
"""
OTHER = "import torch\n\n\ndef wait():\n    torch.cuda.synchronize()\n"
FILES = {"train.py": TRAIN, "lib/other.py": OTHER}


@pytest.fixture(autouse=True)
def program() -> Iterator[None]:
    """Two files with something of every kind."""
    Path("lib").mkdir()
    for path, text in FILES.items():
        Path(path).write_text(text)
    yield


def run(*arguments: str, status: int = 0) -> tuple[str, str]:
    """Standard output and error of a run in a process of its own."""
    command = [sys.executable, "-m", "porter", "rewrite", "--isolated", "--no-cache", *arguments]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    return done.stdout, done.stderr


def git(*arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    return subprocess.run(["git", *identity, *arguments], check=True, capture_output=True, text=True).stdout


def contents() -> dict[str, str]:
    return {path: Path(path).read_text() for path in FILES}


def rewritten(*options: str) -> dict[str, str]:
    """What the files become, which are then as they were."""
    run("--write", *options)
    after = contents()
    for path, text in FILES.items():
        Path(path).write_text(text)
    return after


# -- series and reasons ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "names"),
    [
        (
            "rule",
            [
                "01-PRT101-hardcoded-cuda-device.patch",
                "02-PRT201-cuda-runtime-call.patch",
                "03-PRT301-cuda-rng.patch",
                "04-PRT304-grad-scaler.patch",
            ],
        ),
        ("file", ["01-lib-other.py.patch", "02-train.py.patch"]),
        ("verdict", ["01-auto.patch", "02-review.patch"]),
    ],
)
def test_a_series_amounts_to_the_patch(by: str, names: list[str]) -> None:
    expected = rewritten()
    _, err = run("--patch", "port", "--split-by", by)
    assert sorted(path.name for path in Path("port").iterdir()) == names
    assert f"Saved the rewrite of 2 files as {len(names)} patches in port: " in err
    assert "  git apply port/*.patch  # " in err
    subprocess.run("git apply port/*.patch", shell=True, check=True)
    assert contents() == expected


def test_a_patch_of_a_series_says_what_it_is() -> None:
    run("--patch", "port", "--split-by", "verdict")
    head = Path("port/01-auto.patch").read_text().partition("diff --git")[0]
    assert head == "auto: 3 auto in 2 files\n\nPatch 1 of 2 by porter rewrite; each needs those before it.\n\n"


def test_patches_do_not_mix_with_others() -> None:
    run("--patch", "port", "--split-by", "file")
    assert "port has patches already" in run("--patch", "port", "--split-by", "rule", status=2)[1]
    assert (
        "train.py is a file: --split-by takes a folder" in run("--patch", "train.py", "--split-by", "rule", status=2)[1]
    )
    assert "lib is a folder: name a file, or use --split-by" in run("--patch", "lib", status=2)[1]


def test_every_hunk_has_its_reason() -> None:
    run("--patch", "port.patch", "--annotate", "--explain-patch", "port.md")
    text = Path("port.md").read_text()
    told, patched = (re.findall(r"^@@.*@@$", part, re.M) for part in (text, Path("port.patch").read_text()))
    assert told == patched
    for section in text.split("### From line ")[1:]:
        reason, _, diff = section.partition("```diff")
        assert re.search(r"\*\*PRT\d{3} [a-z-]+\*\*, \w+, evidence [ABCD] \(\[|^Needed by other changes", reason, re.M)
        assert "@@" in diff
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## To check by hand",
        "## `lib/other.py`",
        "## `train.py`",
        "## Sources",
    ]
    assert "- [ ] **PRT301 cuda-rng**, `train.py:14`: `torch.manual_seed` seeds Neuron too." in text
    assert "Changes together with line 3, or not at all." in text
    assert "### From line 3\n\nNeeded by other changes of this file: PRT304 grad-scaler." in text
    for key in set(re.findall(r"\[([A-Z][A-Z\d-]+)\](?!:|\()", text)):
        assert re.search(rf"^\[{key}\]: (https://|#sources)", text, re.M), key
        assert f"\n- {key}: " in text


def test_reasons_of_a_series_go_patch_by_patch() -> None:
    run("--patch", "port", "--split-by", "rule", "--explain-patch", "port.md")
    names = [line for line in Path("port.md").read_text().splitlines() if line.startswith("# `")]
    assert names == [f"# `{path.name}`" for path in sorted(Path("port").iterdir())]


# -- comments and back -------------------------------------------------------------------------


def test_comments_go_as_they_came() -> None:
    plain, noted = rewritten(), rewritten("--annotate")
    assert noted != plain
    for path, text in noted.items():
        Path(path).write_text(text)
    out, err = run("--strip-annotations")
    assert out.count("-    # TODO(porter) PRT502: ") == 1
    assert err == "Would rewrite 1 file.\nNext:\n  porter rewrite --write --strip-annotations .  # change the files\n"
    run("--strip-annotations", "--patch", "strip.patch")
    subprocess.run(["git", "apply", "--check", "strip.patch"], check=True)
    assert run("--strip-annotations", "--check", status=1)[1].startswith("Would rewrite 1 file.")
    run("--strip-annotations", "--write")
    assert contents() == plain
    assert run("--strip-annotations", "--write")[1] == "Nothing to rewrite.\n"


# -- one change at a time ----------------------------------------------------------------------


def session(answers: str, *options: str) -> tuple[int, str]:
    """Run ``porter rewrite --interactive`` on a terminal, with one answer after each question."""
    command = [sys.executable, "-m", "porter", "rewrite", "--isolated", "--no-cache", "--interactive", *options]
    child, terminal = pty.fork()
    if child == 0:
        os.execve(sys.executable, command, {**ENVIRONMENT, "TERM": "dumb", "COLUMNS": "100"})
    said, left, deadline = b"", list(answers), time.monotonic() + 60
    while select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))[0]:
        try:
            chunk = os.read(terminal, 4096)
        except OSError:  # the other side is closed
            break
        if not chunk:
            break
        said += chunk
        if said.rstrip(b" ").endswith(b"?]?") and left:
            os.write(terminal, left.pop(0).encode() + (b"" if answers.endswith("\x03") and not left else b"\n"))
    os.close(terminal)  # which ends a child that still waits
    _, status = os.waitpid(child, 0)
    assert not left, said.decode()
    return os.waitstatus_to_exitcode(status), said.decode().replace("\r\n", "\n")


def test_only_what_is_taken_is_written() -> None:
    status, said = session("?yynnn")
    assert status == 0
    assert "s - leave it and all that is left of this rule" in said
    assert "(1/5) Take this change [y,n,a,d,s,q,?]? " in said
    assert "\nPRT301 cuda-rng (review): `torch.cuda.manual_seed()` seeds the current device." in said
    after = contents()
    assert after["lib/other.py"] == OTHER.replace("cuda", "neuron")
    assert after["train.py"].count("GradScaler") == TRAIN.count("GradScaler")
    changed = [line for line in after["train.py"].splitlines() if line not in TRAIN.splitlines()]
    assert changed[0] == '    device = torch.device("neuron")'
    assert "    torch.cuda.manual_seed(SEED)" in after["train.py"].splitlines()
    assert "Left as you chose: 3 uses: " in said


def test_the_rest_of_a_file_a_rule_and_everything() -> None:
    session("nd")
    assert contents() == FILES
    session("sa")  # neither here nor there
    assert "torch.cuda.synchronize()" in Path("train.py").read_text()
    assert 'device("neuron")' in Path("train.py").read_text()
    Path("train.py").write_text(TRAIN)
    session("yq")
    assert contents() == {"lib/other.py": OTHER.replace("cuda", "neuron"), "train.py": TRAIN}


def test_what_is_linked_is_one_question() -> None:
    _, said = session("nnn" + "yn")
    block = said[said.index("PRT304") :]
    assert block[: block.index("Take this change")].count("@@ -") == 2  # the import and the call
    assert "scaler = torch.amp.GradScaler(" in contents()["train.py"] or "import GradScaler" in contents()["train.py"]


def test_breaking_off_writes_nothing() -> None:
    status, _ = session("y\x03")
    assert status == 130
    assert contents() == FILES


def test_end_of_input_keeps_what_was_taken() -> None:
    status, _ = session("y\x04")
    assert status == 0
    assert Path("lib/other.py").read_text() == OTHER.replace("cuda", "neuron")
    assert Path("train.py").read_text() == TRAIN


def test_chosen_changes_as_a_patch() -> None:
    session("y" + "q", "--patch", "port.patch", "--explain-patch", "port.md")
    assert contents() == FILES
    assert Path("port.patch").read_text().count("diff --git") == 1
    assert "`train.py`" not in Path("port.md").read_text()


def test_nobody_to_ask_is_wrong_usage() -> None:
    assert "standard input must be a terminal" in run("--interactive", status=2)[1]


# -- what git guards ---------------------------------------------------------------------------


def test_uncommitted_changes_are_left_alone() -> None:
    git("init", "-q")
    git("add", "train.py")
    git("commit", "-qm", "one")
    _, err = run("--write", status=2)
    assert err.startswith("porter: 1 file that would change has changes that are not committed: lib/other.py\n")
    assert "Commit or stash them first" in err and "--force" in err
    assert contents() == FILES
    git("add", "lib")
    assert "not committed: lib/other.py" in run("--write", status=2)[1]
    git("commit", "-qm", "two")
    Path("unrelated.py").write_text("x = 1\n")
    _, err = run("--write")
    assert contents() != FILES
    assert "  git diff " in err
    assert "2 files" not in run("--write")[1]  # nothing is left to do
    Path("train.py").write_text(TRAIN + "torch.cuda.synchronize()\n")
    assert "not committed: train.py" in run("--write", status=2)[1]
    run("--write", "--force")
    assert "torch.cuda.synchronize" not in Path("train.py").read_text()


def test_files_that_git_does_not_keep_are_written() -> None:
    git("init", "-q")
    Path(".gitignore").write_text("*.py\n")
    _, err = run("--write", "train.py")
    assert "git diff" not in err
    assert 'device("neuron")' in Path("train.py").read_text()


def test_a_link_is_as_committed_as_its_file() -> None:
    git("init", "-q")
    Path("link.py").symlink_to("train.py")
    git("add", ".")
    git("commit", "-qm", "one")
    run("--write", "link.py")
    assert 'device("neuron")' in Path("train.py").read_text()
    assert Path("link.py").is_symlink()


# -- files that are new ------------------------------------------------------------------------


@pytest.fixture
def helper(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A rewrite that brings a file."""
    content = b"def device():\n    return 'neuron'\n"
    real = engine.rewrite

    def rewrite(paths: list[str], settings: Settings, **options: object) -> RewriteReport:
        result = real(paths, settings, **options)  # type: ignore[arg-type]
        result.files.append(FileChange("new/helper.py", b"", content, (Change(0, 0, content),), [], []))
        return result

    monkeypatch.setattr(engine, "rewrite", rewrite)
    return content


def test_a_new_file_is_written(helper: bytes) -> None:
    assert main(["rewrite", "--write", "--isolated", "--no-cache"]) == 0
    assert Path("new/helper.py").read_bytes() == helper


def test_a_new_file_is_in_the_patch_and_first_in_a_series(helper: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rewrite", "--patch", "port", "--split-by", "rule", "--explain-patch", "port.md", "--isolated"]) == 0
    assert sorted(path.name for path in Path("port").iterdir())[0] == "01-helper.patch"
    assert "## `new/helper.py`\n\nA new file, which the others use.\n" in Path("port.md").read_text()
    assert main(["rewrite", "--isolated", "--no-cache"]) == 0
    patch = capsys.readouterr().out
    assert "new file mode 100644\n--- /dev/null\n+++ b/new/helper.py\n@@ -0,0 +1,2 @@\n" in patch
    subprocess.run(["git", "apply", "-"], input=patch.encode(), check=True)
    assert Path("new/helper.py").read_bytes() == helper


def test_a_new_file_that_is_there_by_now_is_left(helper: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    Path("new").write_text("in the way\n")
    assert main(["rewrite", "--write", "--isolated", "--no-cache"]) == 2
    assert "error: new/helper.py: cannot be made: " in capsys.readouterr().err


# -- the summary -------------------------------------------------------------------------------


def test_the_summary_fits_a_screen_and_names_what_is_there() -> None:
    Path("porter_cases.py").write_text("CASES = []\n")
    env = {**ENVIRONMENT, "COLUMNS": "80"}
    command = [sys.executable, "-m", "porter", "rewrite", "--isolated", "--no-cache", "--safe-only"]
    err = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stderr
    lines = err.splitlines()
    assert len(lines) <= 20
    assert all(len(line) <= 80 for line in lines[: lines.index("Next:")])
    assert lines[0] == "Would rewrite 2 files: 3 of 7 CUDA uses (43 %)."
    assert any(line.startswith("Left out by --safe-only: ") for line in lines)
    assert [line.split("  # ")[0].strip() for line in lines[lines.index("Next:") + 1 :]] == [
        "porter rewrite --write --safe-only .",
        "porter run train.py",
        "porter verify .",
    ]


def test_nothing_more_is_imported_than_a_patch_needs() -> None:
    code = "import sys; from porter.cli import main; main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    command = [sys.executable, "-c", code, "rewrite", "--isolated", "--no-cache"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert not loaded & {"porter.rewrite.series", "porter.rewrite.pieces", "porter.rewrite.choose"}
    assert not loaded & {"porter.report.rationale", "porter.cli.interactive", "porter.gate.git", "rich", "torch"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--split-by", "rule"], "say where to with --patch FOLDER"),
        (["--check", "--explain-patch", "a.md"], "--check writes nothing"),
        (["--check", "--interactive"], "--check writes nothing"),
        (["--force"], "--force is for --write"),
        (["--strip-annotations", "--annotate"], "--strip-annotations does nothing else"),
        (["--interactive", "-"], "--interactive asks questions"),
    ],
)
def test_contradictions_are_named(arguments: list[str], message: str) -> None:
    assert message in run(*arguments, status=2)[1]
    assert contents() == FILES
