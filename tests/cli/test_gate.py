"""`porter check` as a gate: what fails it, what it knows, what it passes over, and how it is switched on."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from porter.cli import main
from tests.gate.repository import Repository

TRAIN = """\
import torch
from torch import nn

model = nn.DataParallel(nn.Linear(4, 4)).cuda()
torch.cuda.manual_seed(0)
torch.cuda.synchronize()
if torch.cuda.is_available():
    torch.cuda.empty_cache()
"""
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
CHECK = [sys.executable, "-m", "porter", "check"]
BASELINE = Path("porter-baseline.txt")

Check = Callable[..., tuple[int, str, str]]


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Check:
    """`porter check --format concise` in this process: status, standard output, standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(["check", "--format", "concise", *arguments])
        return (status, *capsys.readouterr())

    return run


@pytest.fixture
def train() -> Path:
    file = Path("train.py")
    file.write_text(TRAIN)
    return file


def codes(out: str) -> list[str]:
    return [line.split()[1] for line in out.splitlines()]


# -- what fails ----------------------------------------------------------------------------------


def test_guarded_code_is_quiet(check: Check, train: Path) -> None:
    status, out, err = check()
    assert (status, codes(out)) == (1, ["PRT102", "PRT502", "PRT301", "PRT201", "PRT108"])
    assert "1 more runs only under a test for CUDA: -v shows, --guarded counts them." in err
    assert codes(check("--guarded")[1])[-1] == "PRT202"
    assert "PRT202" in check("-v")[1]


def test_what_a_program_demands_is_not_guarded(check: Check) -> None:
    Path("a.py").write_text(
        "import torch\n\nif not torch.cuda.is_available():\n    raise RuntimeError\ntorch.cuda.synchronize()\n"
    )
    assert codes(check()[1]) == ["PRT108", "PRT201"]


def test_what_is_tried_is_not_guarded(check: Check) -> None:
    Path("a.py").write_text(
        "import torch\n\ntry:\n    torch.cuda.synchronize()\nexcept Exception as error:\n    print(error)\n"
        "try:\n    import bitsandbytes\nexcept ImportError:\n    bitsandbytes = None\n"
    )
    assert codes(check()[1]) == ["PRT201"]


def test_fail_on(check: Check, train: Path) -> None:
    status, out, err = check("--fail-on", "manual,blocked")
    assert (status, codes(out)) == (1, ["PRT502"])
    assert "4 more are let pass: the gate fails on manual, blocked (-v shows them)." in err
    assert check("--fail-on", "blocked")[0] == 0
    status, _, err = check("--fail-on", "portable")
    assert status == 2
    assert "'portable' is not one of auto, review, manual, blocked, unknown" in err


def test_broken_files_fail_whatever_the_verdicts(check: Check) -> None:
    Path("a.py").write_text("torch.cuda.f(\n")
    assert check("--fail-on", "blocked")[0] == 1


def test_severities(check: Check, train: Path) -> None:
    Path("porter.toml").write_text('[severity]\nPRT = "warning"\ncuda-rng = "error"\nPRT2 = "note"\n')
    status, out, err = check()
    assert (status, codes(out)) == (1, ["PRT102", "PRT502", "PRT301", "PRT108"])
    assert "Found 1 finding: 1 review, and 3 warnings." in err
    Path("porter.toml").write_text('[severity]\nPRT = "warning"\n')
    assert check()[0] == 0
    Path("porter.toml").write_text('[severity]\ncuda-rgn = "warning"\n')
    assert "`cuda-rgn` selects no rule; did you mean `cuda-rng`?" in check()[2]


def test_an_unused_suppression_is_a_warning(check: Check) -> None:
    Path("a.py").write_text("x = 1  # porter: ignore[PRT101]\n")
    status, out, err = check()
    assert (status, out) == (0, "a.py:1:8: PRT003 nothing to silence here for `PRT101`\n")
    assert err == "Found 1 warning.\nAll checks passed!\n"
    Path("porter.toml").write_text('[severity]\nunused-suppression = "error"\n')
    assert check()[0] == 1


def test_max_findings(check: Check, train: Path) -> None:
    assert check("--max-findings", "4")[0] == 1
    status, _, err = check("--max-findings", "5")
    assert status == 0
    assert "Passed: up to 5 are let pass." in err


def test_several_targets(check: Check, train: Path) -> None:
    def failing(*targets: str) -> set[str]:
        return set(codes(check("--target", ",".join(targets))[1]))

    both = failing("neuron", "portable")
    assert both <= failing("neuron") & failing("portable")
    assert "PRT502" in both
    Path("porter.toml").write_text('target = ["neuron", "portable"]\n')
    assert set(codes(check()[1])) == both
    assert check("--target", "tpu")[0] == 2
    assert main(["rewrite", "--target", "neuron,xla"]) == 2


def test_statistics(check: Check, train: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = check("--statistics")
    assert status == 1
    assert out.splitlines()[0].split() == ["1", "PRT102", "[*]", "cuda-method", "(1", "file:", "1", "auto)"]
    main(["check", "--statistics", "--format", "json"])
    [first, *_] = msgspec.json.decode(capsys.readouterr().out)
    assert first == {
        "code": "PRT102",
        "name": "cuda-method",
        "count": 1,
        "files": 1,
        "fixable": 1,
        "verdicts": {"auto": 1},
    }


def test_explain_config(check: Check) -> None:
    Path("pyproject.toml").write_text(
        '[tool.porter]\nextend-select = ["PRT9"]\nbaseline = "known.txt"\ntarget = ["neuron", "xla"]\n'
        '[tool.porter.per-file-ignores]\n"a/**" = ["PRT1"]\n'
    )
    status, out, _ = check("--explain-config", "--extend-select", "PRT901", "--jobs", "2")
    assert status == 0
    lines = out.splitlines()
    for line in (
        'target = ["neuron", "xla"]  # pyproject.toml',
        'extend-select = ["PRT9", "PRT901"]  # pyproject.toml, command line',
        "jobs = 2  # command line",
        'baseline = "known.txt"  # pyproject.toml',
        'per-file-ignores = {"a/**" = ["PRT1"]}  # pyproject.toml',
        "max-findings = 0  # default",
        "# select is not set",
    ):
        assert line in lines
    Path("porter.toml").write_text(out)
    assert check("--explain-config")[0] == 0, "what is printed can be used"


# -- the baseline --------------------------------------------------------------------------------


def test_a_baseline_lets_the_past_pass(check: Check, train: Path) -> None:
    assert check("--write-baseline")[2].startswith("Wrote porter-baseline.txt: 5 findings.\nNext: write `baseline = ")
    Path("porter.toml").write_text('baseline = "porter-baseline.txt"\n')
    status, out, err = check()
    assert (status, out) == (0, "")
    assert "5 more are known to porter-baseline.txt." in err
    train.write_text("# moved\n\n" + TRAIN + "torch.cuda.synchronize()\n")
    status, out, _ = check()
    assert (status, codes(out)) == (1, ["PRT201"])
    assert check("--no-baseline")[1].count("\n") == 6


def test_a_baseline_holds_only_what_fails(check: Check, train: Path) -> None:
    check("--write-baseline", "--fail-on", "manual")
    assert [line.split("\t")[1] for line in BASELINE.read_text().splitlines() if line[0] != "#"] == ["PRT502"]


def test_vanished_lines_fail_the_strict_gate(check: Check, train: Path) -> None:
    check("--write-baseline")
    train.write_text(TRAIN.replace("torch.cuda.manual_seed(0)\n", ""))
    use = ("--baseline", "porter-baseline.txt")
    status, _, err = check(*use)
    assert status == 0
    assert "1 line of the baseline can go: `porter check --write-baseline` writes it anew." in err
    status, _, err = check(*use, "--baseline-strict")
    assert status == 1
    assert "no longer there: train.py: PRT301 torch.cuda.manual_seed(0)" in err
    assert "5 findings" not in (again := check(*use, "--write-baseline")[2])
    assert again == "Wrote porter-baseline.txt: 4 findings (0 new, 1 gone).\n"
    assert check(*use, "--baseline-strict")[0] == 0


def test_a_run_on_one_file_speaks_for_that_file(check: Check, train: Path) -> None:
    Path("other.py").write_text(TRAIN)
    check("--write-baseline")
    use = ("--baseline", "porter-baseline.txt", "--baseline-strict")
    assert check(*use, "train.py")[0] == 0
    train.write_text("")
    assert check(*use, "other.py")[0] == 0
    assert check(*use)[0] == 1
    check("--baseline", "porter-baseline.txt", "--write-baseline", "train.py")
    assert check(*use)[0] == 0
    assert BASELINE.read_text().count("other.py") == 5


def test_a_broken_file_keeps_its_lines(check: Check, train: Path) -> None:
    check("--write-baseline")
    train.write_text(TRAIN + "def f(\n")
    status, out, err = check("--baseline", "porter-baseline.txt", "--baseline-strict")
    assert (status, codes(out)) == (1, ["PRT001"])
    assert "no longer there" not in err


def test_the_baseline_is_the_same_from_any_folder(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("porter.toml").write_text('baseline = "known.txt"\n')
    Path("src").mkdir()
    Path("src/train.py").write_text(TRAIN)
    check("--write-baseline")
    written = Path("known.txt").read_text()
    assert "\nsrc/train.py\tPRT102\t" in written
    monkeypatch.chdir("src")
    assert check()[0] == 0
    check("--write-baseline")
    assert Path("../known.txt").read_text() == written
    assert not Path("porter-baseline.txt").exists()


def test_a_file_that_git_knows_to_be_renamed(check: Check, train: Path) -> None:
    repository = Repository(Path.cwd())
    check("--write-baseline")
    repository.commit()
    repository.git("mv", "train.py", "main.py")
    Path("main.py").write_text(TRAIN.replace("nn.Linear(4, 4)", "nn.Linear(8, 8)"))
    status, out, _ = check("--baseline", "porter-baseline.txt", "--baseline-strict")
    assert (status, out) == (0, "")


def test_what_is_no_baseline_is_named_and_kept(check: Check, train: Path) -> None:
    assert "porter: " in (err := check("--baseline", "gone.txt")[2])
    assert "gone.txt: is not there; write it with `porter check --write-baseline`" in err
    for option in ("--baseline-strict", "--write-baseline"):
        status, _, err = check("--baseline", "train.py", option)
        assert status == 2
        assert "train.py: is no baseline" in err
    assert train.read_text() == TRAIN


def test_options_that_do_not_go_together(check: Check, train: Path) -> None:
    for arguments in (
        ("--since", "HEAD", "--diff-base", "main"),
        ("--since", "HEAD", "--write-baseline"),
        ("--no-baseline", "--write-baseline"),
        ("--add-ignore", "x", "--write-baseline"),
        ("--add-ignore", " "),
        ("--add-ignore", "x", "-"),
    ):
        assert check(*arguments)[0] == 2, arguments


# -- changed lines and comments ------------------------------------------------------------------


def test_changed_lines_only(check: Check, train: Path) -> None:
    assert "is in no git repository" in check("--since", "HEAD")[2]
    Repository(Path.cwd()).commit()
    assert check("--since", "HEAD")[0] == 0
    train.write_text(TRAIN.replace("seed(0)", "seed(1)"))
    status, out, err = check("--since", "HEAD")
    assert (status, codes(out)) == (1, ["PRT301"])
    assert "4 more are on lines that have not changed since HEAD." in err
    status, _, err = check("--diff-base", "origin/main")
    assert status == 2
    assert "`origin/main` is no commit of" in err


def test_add_ignore(check: Check, train: Path) -> None:
    Path("config.json").write_text('{"device": "cuda"}\n')
    status, _, err = check("--add-ignore", "until the port, see #12")
    assert status == 1
    assert "config.json:1:13: PRT802 has no place for a comment: use per-file-ignores" in err
    assert "Silenced 5 findings in 1 file." in err
    text = train.read_text()
    assert "cuda()  # porter: ignore[PRT102, PRT502] until the port, see #12\n" in text
    assert check("train.py")[0] == 0
    assert check("--add-ignore", "again", "train.py")[:2] == (0, "")
    assert train.read_text() == text


def test_add_ignore_leaves_known_and_unchanged_findings_alone(check: Check, train: Path) -> None:
    check("--write-baseline")
    Repository(Path.cwd()).commit()
    train.write_text(TRAIN + "torch.cuda.synchronize()\n")
    check("--baseline", "porter-baseline.txt", "--add-ignore", "here")
    assert train.read_text() == TRAIN + "torch.cuda.synchronize()  # porter: ignore[PRT201] here\n"


# -- large, concurrent, killed, full -------------------------------------------------------------


def grow(findings: int) -> None:
    """A tree with as many findings, in files of 100."""
    body = "import torch\n\n\ndef f(x):\n" + "".join(
        f"    y{n} = torch.zeros({n}, device='cuda:0')\n" if n % 2 else f"    torch.cuda.synchronize()  # {n}\n"
        for n in range(100)
    )
    for number in range(findings // 100):
        file = Path(f"pkg{number % 7}/sub/m{number}.py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(body)


def test_a_repository_with_20000_findings() -> None:
    grow(20_000)
    code = (  # not ru_maxrss, which a process inherits from the one that started it
        "import re, sys; from porter.cli import main; status = main(sys.argv[1:]); "
        "peak = re.search('VmHWM:\\\\s+([0-9]+)', open('/proc/self/status').read()); "
        "print(status, int(peak[1]) // 1024, file=sys.stderr)"
    )
    run = [sys.executable, "-c", code, "check", "-j", "1"]
    done = subprocess.run([*run, "--format", "concise"], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    *_, last = done.stderr.splitlines()
    status, mebibytes = map(int, last.split())
    assert (status, done.stdout.count("\n")) == (1, 20_000)
    assert mebibytes < 256
    assert "Found 20,000 findings: " in done.stderr
    assert "Most of them, by rule:\n" in done.stderr
    assert "\n   10,000  PRT201 cuda-runtime-call, in 200 files\n" in done.stderr
    assert "and by folder:\n    2,900  pkg0/sub/\n" in done.stderr
    assert "`porter check --write-baseline` takes them as known" in done.stderr
    started = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run([*run, "--write-baseline"], env=ENVIRONMENT, check=True, capture_output=True)
    done = subprocess.run(
        [*run, "--baseline", str(BASELINE)], env=ENVIRONMENT, check=True, capture_output=True, text=True
    )
    assert "20,000 more are known" in done.stderr
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - started < 20


def test_runs_at_the_same_time(train: Path) -> None:
    grow(500)
    command = [*CHECK, "--write-baseline"]
    running = [subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE) for _ in range(4)]
    assert [process.communicate() and process.returncode for process in running] == [0] * 4
    assert BASELINE.read_text().count("\n") == 3 + 505
    assert sorted(path.name for path in Path().iterdir() if path.name.startswith(".")) == [".porter_cache"]
    done = subprocess.run([*CHECK, "--baseline", str(BASELINE), "--baseline-strict"], env=ENVIRONMENT, check=False)
    assert done.returncode == 0


def test_killed_at_any_moment(train: Path) -> None:
    subprocess.run([*CHECK, "--write-baseline"], env=ENVIRONMENT, check=True, capture_output=True)
    before = BASELINE.read_text()
    grow(500)
    for delay in (0.05, 0.15, 0.25, 0.35, 0.5):
        process = subprocess.Popen([*CHECK, "--write-baseline"], env=ENVIRONMENT, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        now = BASELINE.read_text()
        assert now == before or now.count("\n") == 3 + 505
    done = subprocess.run([*CHECK, "--write-baseline"], env=ENVIRONMENT, check=False)
    assert done.returncode == 0
    assert BASELINE.read_text().count("\n") == 3 + 505


def test_a_full_disk_costs_nothing(train: Path) -> None:
    """Files may grow to 2 KiB, which is what a full disk looks like to a program, but for the error's name."""
    subprocess.run([*CHECK, "--write-baseline"], env=ENVIRONMENT, check=True, capture_output=True)
    before = BASELINE.read_bytes()
    grow(500)
    code = (
        "import resource, signal, sys; from porter.cli import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))\n"
        "sys.exit(main(sys.argv[1:]))"
    )

    def full(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-B", "-c", code, "check", "-j", "1", *arguments]
        return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)

    done = full("--write-baseline")
    assert done.returncode == 2
    assert "porter-baseline.txt cannot be written: file too large" in done.stderr
    assert BASELINE.read_bytes() == before
    text = Path("pkg0/sub/m0.py").read_text()
    done = full("--add-ignore", "later")
    assert done.returncode == 2
    assert "error: pkg0/sub/m0.py: cannot be written: file too large; left alone" in done.stderr
    assert Path("pkg0/sub/m0.py").read_text() == text
    left = [
        path.name for path in Path().rglob(".*") if path.name != ".porter_cache" and ".porter_cache" not in path.parts
    ]
    assert left == []
    assert full("--format", "concise", "--baseline", "porter-baseline.txt").returncode == 1
