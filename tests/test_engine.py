"""The steps of a run together, on real files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from porter import engine
from porter.cli import main
from porter.config import Settings, load
from porter.engine import Report
from porter.index import share
from porter.index.facts import Task, encode
from porter.model import Finding, Verdict
from porter.rewrite import apply as rewriting
from porter.rewrite.patch import Change
from porter.rewrite.units import Unit, flattened

TRAIN = "import torch\n\nmodel = torch.nn.Linear(1, 1).cuda()\ntorch.cuda.synchronize()\n"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(files: Mapping[str, str]) -> None:
    """Files by path."""
    for name, text in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def settings(**overrides: object) -> Settings:
    return load(Path.cwd(), overrides={"jobs": 1, "cache": False, **overrides})


def check(**overrides: object) -> Report:
    return engine.run(["."], settings(**overrides))


def rewritten(**overrides: object) -> dict[str, str]:
    files = engine.rewrite(["."], settings(**overrides)).files
    return {file.path: file.after.decode() for file in files if file.changes}


def by_path(report: Report, path: str) -> list[Finding]:
    return [finding for finding in report.findings if finding.path == path]


# -- files that cannot be analysed -------------------------------------------------------------


def test_a_file_that_does_not_parse_is_a_finding_and_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    write({"broken.py": "print 'cuda'\n", "fine.py": TRAIN})
    report = check()
    assert [f.code for f in by_path(report, "broken.py")] == ["PRT001"]
    assert [p.path for p in report.problems] == ["broken.py"]
    assert len(by_path(report, "fine.py")) == 2
    assert main(["check", "--isolated", "--no-cache", "--format", "json", "broken.py"]) == 1
    shown = json.loads(capsys.readouterr().out)
    assert [error["path"] for error in shown["errors"]] == ["broken.py"]
    assert [finding["code"] for finding in shown["findings"]] == ["PRT001"]


@pytest.mark.parametrize(
    "overrides",
    [{"per_file_ignores": {"broken.py": ("PRT001",)}}, {"per_file_ignores": {"*": ("ALL",)}}, {"ignore": ("PRT001",)}],
)
def test_what_is_silenced_is_no_error_either(overrides: dict[str, object]) -> None:
    write({"broken.py": "print 'cuda'\n"})
    report = check(**overrides)
    assert (report.findings, report.problems) == ([], [])


def test_a_file_that_changes_under_porter_is_left_out() -> None:
    write({"train.py": TRAIN})
    run = engine.Run(settings(), None)
    tasks = [Task(str(Path("train.py").absolute()), "train.py", "python")]
    facts = run.first_pass(tasks, [None])
    write({"train.py": "\n" + TRAIN})
    report = Report()
    assert list(run.second_pass(tasks, facts, report)) == []
    assert [problem.path for problem in report.problems] == ["train.py"]
    assert "changed while porter was reading it" in report.problems[0].message


# -- fingerprints ------------------------------------------------------------------------------


def test_fingerprints_outlive_moved_lines_and_tell_like_from_like() -> None:
    line = "torch.cuda.synchronize()\n"
    write({"a.py": "import torch\n" + line + line})
    before = [finding.fingerprint for finding in check().findings]
    write({"a.py": "import torch\n\n# more\nif torch:\n    pass\n" + line + "\n\n" + line})
    assert [finding.fingerprint for finding in check().findings] == before
    assert len(set(before)) == 2
    write({"b.py": "import torch\n" + line})
    assert by_path(check(), "b.py")[0].fingerprint not in before


def notebook(*cells: str) -> None:
    """A notebook `n.ipynb` of code cells."""
    code = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": cell} for cell in cells]
    write({"n.ipynb": json.dumps({"cells": code, "metadata": {}, "nbformat": 4})})


def test_fingerprints_in_a_notebook_follow_the_cell() -> None:
    notebook("import torch", "a = torch.cuda.synchronize()", "b = torch.cuda.synchronize()")
    before = check().findings
    assert [(finding.cell, finding.line) for finding in before] == [(1, 1), (2, 1)]
    notebook("import torch", "b = torch.cuda.synchronize()")
    assert [finding.fingerprint for finding in check().findings] == [before[1].fingerprint]


def test_advice_in_a_notebook_counts_the_lines_of_cells() -> None:
    notebook("import torch", "x = 1\ny = torch.zeros(3)\ny = y.cuda()", "y = y.cuda()")
    here, there = check().findings
    assert here.advice.endswith("made by `torch.zeros`, line 2.")
    assert there.advice.endswith("made by `torch.zeros`, line 2 of cell 2.")


# -- processes ---------------------------------------------------------------------------------


@pytest.fixture
def large() -> None:
    """A tree that is worth several processes."""
    filler = "# a comment\n" * 3000
    for i in range(share._FEW + 6):
        path = Path(f"pkg/m{i:02}.py")
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"from pkg.m00 import f\n{TRAIN}\n\ndef f(x):\n    return x.to('cuda:{i % 3}')\n{filler}")
    write({"pkg/broken.py": "x = 'cuda'\ndef (\n", "pkg/__init__.py": ""})


def findings_of(report: Report) -> list[Finding]:
    assert len(report.findings) > 100
    return report.findings


@pytest.mark.usefixtures("large")
def test_processes_change_nothing() -> None:
    alone = check(jobs=1)
    for jobs in (2, 3):
        shared = check(jobs=jobs)
        assert findings_of(shared) == findings_of(alone)
        assert (shared.problems, shared.files, shared.lines) == (alone.problems, alone.files, alone.lines)
    assert "pkg/broken.py" in {problem.path for problem in alone.problems}


@pytest.mark.usefixtures("large")
def test_facts_are_the_same_from_another_process() -> None:
    run = engine.Run(settings(), None)
    tasks, _ = engine._tasks(["."], run.settings, None)
    alone = dict(share.analyse_all(tasks, run.setup, 1))
    shared = dict(share.analyse_all(tasks, run.setup, 2))
    assert {i: encode(facts) for i, facts in shared.items()} == {i: encode(facts) for i, facts in alone.items()}


def _die(*_: object) -> bytes:
    os._exit(9)


def _no_processes(*_: object, **__: object) -> None:
    raise OSError("no semaphores")


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize(
    ("name", "broken"), [("porter.index.share._work", _die), ("concurrent.futures.ProcessPoolExecutor", _no_processes)]
)
def test_one_process_does_what_others_cannot(
    name: str, broken: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = check(jobs=1)
    monkeypatch.setattr(name, broken)
    told: list[tuple[int, int]] = []
    shared = engine.run(["."], settings(jobs=2), progress=lambda done, total: told.append((done, total)))
    assert findings_of(shared) == findings_of(alone)
    assert told[-1] == (alone.files, alone.files)


def test_a_few_files_are_not_worth_a_process() -> None:
    write({f"m{i}.py": TRAIN for i in range(20)})
    probe = "import sys\nfrom porter.cli import main\nmain(sys.argv[1:])\nprint('multiprocessing' in sys.modules)"
    command = [sys.executable, "-c", probe, "check", "--isolated", "--no-cache", "-j", "8", "--format", "concise"]
    environment = {**os.environ, "PYTHONPATH": str(Path(engine.__file__).parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines()[-1] == "False"
    assert done.stdout.count("PRT") == 40


def test_odd_literals_travel() -> None:
    """Integers beyond 64 bits and halves of surrogate pairs are Python, but nothing that can be encoded as it is."""
    write(
        {"a.py": f'import torch\n\ntorch.cuda.synchronize({2**80}, -{2**70}, "\\ud800")\nd = {{"\\udfff": "cuda"}}\n'}
    )
    run = engine.Run(settings(), None)
    facts = run.first_pass([Task("a.py", "a.py", "python")], [None])
    assert encode(facts[0])
    assert "PRT201" in {finding.code for finding in check().findings}


# -- rewrites ----------------------------------------------------------------------------------


def test_a_rewrite_comes_to_rest() -> None:
    write({"train.py": TRAIN, "clean.py": "x = 1\n"})
    after = rewritten()
    assert after == {"train.py": TRAIN.replace(".cuda()", '.to("neuron")').replace("torch.cuda.", "torch.neuron.")}
    Path("train.py").write_text(after["train.py"], encoding="utf-8")
    assert rewritten() == {}


def test_a_file_that_does_not_come_to_rest_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    real = rewriting.apply

    def growing(source: object, findings: list[Finding], *rest: object, **options: object) -> rewriting.Result:
        """Like a rule whose own output it would edit again."""
        result = real(source, findings, *rest, **options)  # type: ignore[arg-type]
        added = Unit(tuple(findings), (0,) * len(findings), (Change(0, 0, b"# again\n"),))
        units = (added, *result.units)
        return rewriting.Result(b"# again\n" + result.after, flattened(units), findings, units=units)

    monkeypatch.setattr(rewriting, "apply", growing)
    text = TRAIN + "torch.cuda.nobody_knows()\n"  # a finding that stays
    write({"train.py": text})
    (file,) = engine.rewrite(["."], settings()).files
    assert (file.after, file.changes, file.applied) == (text.encode(), (), [])
    assert {reason for _, reason in file.dropped} == {"a second rewrite would change its result again"}


# -- names that files of the repository give to CUDA -------------------------------------------

COMPAT = "from torch.cuda import synchronize\nfrom torch.cuda.amp import GradScaler\n"


def test_a_rename_happens_where_the_name_is_imported() -> None:
    write(
        {
            "pkg/__init__.py": "",
            "pkg/compat.py": COMPAT,
            "pkg/train.py": "from .compat import synchronize\n\nsynchronize()\n",
        }
    )
    report = engine.run(["."], settings(), audit=True)
    assert by_path(report, "pkg/train.py") == []
    assert ("pkg/train.py", "torch.cuda.synchronize") in {(d.path, d.text) for d in report.dismissed}
    assert rewritten()["pkg/compat.py"].startswith("from torch.neuron import synchronize\n")
    assert "pkg/train.py" not in rewritten()


@pytest.mark.parametrize(
    "imports",
    [
        "from .compat import GradScaler",
        "from pkg.compat import GradScaler",
        "from pkg import GradScaler",  # through a file without a word of CUDA
        "from . import compat\nGradScaler = compat.GradScaler",
        "from torch.cuda import synchronize  # looked into at once\nfrom .compat import GradScaler",
    ],
)
def test_a_call_that_would_change_is_reported_and_its_import_kept(imports: str) -> None:
    write({"pkg/__init__.py": "from .compat import GradScaler\n", "pkg/compat.py": COMPAT})
    write({"pkg/train.py": f"{imports}\n\nscaler = GradScaler()\n"})
    report = check()
    (use,) = [f for f in by_path(report, "pkg/train.py") if f.code == "PRT304"]
    assert (use.symbol, use.verdict, use.fix) == ("torch.cuda.amp.GradScaler", Verdict.MANUAL, None)
    assert "another file of this repository" in use.advice
    (kept,) = [f for f in by_path(report, "pkg/compat.py") if f.code == "PRT304"]
    assert (kept.verdict, kept.fix) == (Verdict.MANUAL, None)
    assert "GradScaler" in rewritten().get("pkg/compat.py", COMPAT)


def test_a_name_of_ones_own_is_not_borrowed() -> None:
    write({"pkg/__init__.py": "", "pkg/compat.py": COMPAT, "pkg/other.py": "def GradScaler():\n    pass\n"})
    write({"pkg/train.py": "from .other import GradScaler\n\nscaler = GradScaler()\n"})
    assert by_path(check(), "pkg/train.py") == []


# -- input without a file ----------------------------------------------------------------------


def test_standard_input_is_one_file() -> None:
    write({"train.py": TRAIN})
    report = engine.run(["-"], settings(cache=True), stdin=("other.py", b"import torch\ntorch.cuda.synchronize()\n"))
    assert [finding.path for finding in report.findings] == ["other.py"]
    assert not Path(".porter_cache").exists()


# -- where it is started -----------------------------------------------------------------------


@pytest.mark.parametrize("start", [".", "pkg", "pkg/triton"])
def test_findings_do_not_depend_on_the_folder(start: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of the repository that is called `triton` is not Triton, and the one that is stays it."""
    kernel = "import triton\nfrom pkg.triton.plain import f\n\n\n@triton.jit\ndef kernel(x):\n    f(x)\n"
    write({"pkg/__init__.py": "", "pkg/triton/__init__.py": "", "pkg/triton/kernel.py": kernel})
    write({"pkg/triton/plain.py": "def f(x):\n    pass\n"})
    monkeypatch.chdir(start)
    assert [(finding.line, finding.name) for finding in check().findings] == [
        (1, "triton-kernel"),
        (5, "triton-kernel"),
    ]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("", "Turn `fp16` off, and `bf16` on."),  # Transformers'
        ('options.add_argument("--fp16")', "Turn it off, or have the code that reads it compute in bfloat16."),
        ('options.add_argument("--fp16")\noptions.add_argument("--bf16")', "Turn `fp16` off, and `bf16` on."),
    ],
)
def test_a_switch_that_the_program_declares_has_no_twin_but_its_own(options: str, told: str) -> None:
    write({"train.py": f"import argparse\nimport torch\n\noptions = argparse.ArgumentParser()\n{options}\n"})
    write({"run.sh": "python train.py --fp16\n"})
    (found,) = by_path(check(), "run.sh")
    assert found.advice.startswith(told)
    assert ("declared in `train.py`" in found.message) == told.startswith("Turn it off")


@pytest.mark.parametrize(("script", "named"), [("train.py", True), ("src/val.py", False)])
def test_a_switch_is_declared_by_the_program_that_the_command_runs(script: str, named: bool) -> None:
    program = 'import argparse\nimport torch\n\nargparse.ArgumentParser().add_argument("--fp16")\n'
    write({"train.py": program})
    write({"run.sh": f"python {script} --fp16\n"})
    (found,) = by_path(check(), "run.sh")
    assert ("declared in `train.py`" in found.message) == named


@pytest.mark.parametrize(
    ("package", "line"), [("python3.9 curl", 3), ("python3.14", None), ("curl \\\n  python3.10", 4)]
)
def test_an_image_stays_where_the_file_installs_an_older_python_on_top_of_it(package: str, line: int | None) -> None:
    write({"Dockerfile": f"FROM nvidia/cuda:12.2.0-runtime-ubuntu20.04\n\nRUN apt-get install -y {package}\n"})
    (found,) = by_path(check(), "Dockerfile")
    assert (found.fix is None) == (line is not None)
    assert found.advice.startswith(
        f"Line {line} installs another Python" if line is not None else "Write `public.ecr.aws"
    )


@pytest.mark.parametrize(("python", "told"), [("=3.9", True), ("==3.8.13", True), ("=3.10", False), (">=3.8", False)])
def test_an_environment_of_conda_is_told_that_its_python_is_too_old(python: str, told: bool) -> None:
    packages = f"dependencies:\n  - python{python}\n  - pip:\n      - torch==2.0.0\n"
    write({"environment.yml": packages})
    (found,) = by_path(check(), "environment.yml")
    assert ("Line 2 asks for Python" in found.advice) == told


@pytest.mark.parametrize("names", [("a.py", "b.py"), ("b.py", "a.py")])
def test_the_reason_does_not_depend_on_which_file_is_read_first(names: tuple[str, str]) -> None:
    uses = ("torch.tensor(1, device=args.device)", "torch.zeros(1).to(args.device)")
    write({name: f"import torch\ntorch.cuda.synchronize()\nx = {use}\n" for name, use in zip(names, uses, strict=True)})
    write({"train.py": "parser.add_argument('--device', default='cuda')\n"})
    (finding,) = by_path(check(), "train.py")
    assert finding.message.endswith("taken by `.to()`")


@pytest.mark.parametrize(
    ("test", "told"),
    [
        ('s.get("device", "cuda") == "xla"', "the default `\"cuda\"` is compared with `'xla'`"),
        ('s.device == "cuda"', '`s.device` is compared with `"cuda"`'),
    ],
)
def test_what_is_compared_is_called_by_its_part(test: str, told: str) -> None:
    write({"a.py": f"def f(s):\n    return {test}\n"})
    (found,) = by_path(check(), "a.py")
    assert found.message == told


def test_a_look_into_more_files_changes_no_reason() -> None:
    low = "import torch\n\nLOW = [torch.float16]  # on CUDA\n"
    write({"first.py": low, "second.py": f"{low}torch.cuda.synchronize()\n"})
    main = "import torch\nfrom first import LOW as A\nfrom second import LOW as B\n"
    write({"main.py": f"{main}\ny = torch.ones(3, device='cuda', dtype=torch.half)\n"})
    seen, audited = (
        {finding.advice for finding in engine.run(["."], settings(target="portable"), audit=audit).findings}
        for audit in (False, True)
    )
    assert any("`second`" in advice for advice in seen)
    assert seen == audited
