"""What is committed of the pinned projects, and what is shown of a change."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

import pytest

from porter.config import load as load_settings
from porter.model import TARGETS
from tests.ecosystem import diff, projects, state
from tests.ecosystem.conftest import ROOT
from tests.ecosystem.diff import Change, Outcome, Place
from tests.ecosystem.invariants import prove

CODE = "import torch\n\ntorch.cuda.synchronize()\n"


def line(folder: Path, code: str) -> state.Line:
    folder.mkdir(exist_ok=True)
    (folder / "mod.py").write_text(code)
    return state.line("a==1", "neuron", prove(folder, load_settings(isolated=True)))


def test_the_committed_state_has_every_project_and_target() -> None:
    known = state.parse(state.PATH.read_text(encoding="utf-8"))
    assert known.keys() == {(project.package, target) for project in projects.load() for target in TARGETS}
    assert len(projects.load()) >= 25


def test_a_line_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = line(tmp_path, CODE)
    assert written.counts == {"PRT201:auto": 1}
    assert (written.files, written.hunks, written.errors) == (1, 1, 1)
    assert state.parse(f"# head\n{written}\n") == {("a==1", "neuron"): written}


def test_only_pinned_projects_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "PATH", tmp_path / "state.txt")
    one = line(tmp_path / "tree", CODE)
    state.write([one], ["a==1"])
    state.write([one.__class__("b==1", *(getattr(one, name) for name in one.__struct_fields__[1:]))], ["a==1", "b==1"])
    assert [package for package, _ in state.parse(state.PATH.read_text())] == ["a==1", "b==1"]
    state.write([], ["b==1"])
    assert [package for package, _ in state.parse(state.PATH.read_text())] == ["b==1"]


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (CODE, []),
        ("\n" + CODE, ["the same number of findings in other places, or of other symbols", "other hunks"]),
        (CODE + "# the end\n", ["other hunks"]),
        (
            CODE + "torch.cuda.synchronize()\n",
            ["PRT201 auto 1 -> 2", "1 -> 2 findings that fail a check", "other hunks"],
        ),
        (
            "x = 1\n",
            ["PRT201 auto 1 -> 0", "1 -> 0 findings that fail a check", "1 -> 0 hunks in 1 -> 0 files"],
        ),
    ],
)
def test_what_is_said_of_another_line(code: str, told: list[str], tmp_path: Path) -> None:
    assert list(state.changes(line(tmp_path / "old", CODE), line(tmp_path / "new", code))) == told
    assert list(state.changes(None, line(tmp_path / "new", code))) == ["not in the state yet"]


def test_what_porter_makes_of_a_tree(tmp_path: Path) -> None:
    (tmp_path / "mod.py").write_text(CODE)
    found = diff.outcome(ROOT, tmp_path, "neuron")
    ((place, finding),) = found.findings
    assert place == Place("mod.py", 3)
    assert finding.startswith("mod.py:3:1: PRT201 cuda-runtime-call auto [*] ")
    ((_, hunk),) = found.hunks
    assert "-torch.cuda.synchronize()\n+torch.neuron.synchronize()" in hunk
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mod.py"]


def test_a_porter_that_fails_is_told(tmp_path: Path) -> None:
    (tmp_path / "porter.py").write_text("raise SystemExit('it fails')\n")
    with pytest.raises(RuntimeError, match="it fails"):
        diff.outcome(tmp_path, tmp_path, "neuron")


def outcome(*findings: str, hunks: tuple[str, ...] = ()) -> Outcome:
    def placed(texts: tuple[str, ...]) -> Counter[tuple[Place, str]]:
        return Counter((Place("a.py", number), text) for number, text in enumerate(texts))

    return Outcome(placed(findings), placed(hunks))


def test_the_report_of_a_change() -> None:
    old = outcome("a.py:1:1: PRT101 one auto [*] m", "a.py:2:1: PRT201 two manual ```", hunks=("@@ 1\n-a\n+b\n",))
    new = outcome("a.py:1:1: PRT101 one auto [*] m", "a.py:2:1: PRT201 two auto [*] ```", hunks=("@@ 1\n-a\n+c\n",))
    same = Change("b==1", "xla", old, old)
    text = "\n".join(diff.report([same, Change("a==1", "neuron", old, new)], 1))
    assert text.startswith("## Ecosystem: +1 -1 findings, +1 -1 hunks in 1 of 2 packages and targets\n")
    assert "| PRT201 two | neuron | auto | 1 | 0 |" in text
    assert "PRT101" not in text
    assert "b==1" not in text
    assert "````diff\n- a.py:2:1: PRT201 two manual ```\n+ a.py:2:1: PRT201 two auto [*] ```\n````" in text
    assert "Hunks that are gone:\n\n```diff\n@@ 1\n-a\n+b\n```" in text
    assert "New hunks:\n\n```diff\n@@ 1\n-a\n+c\n```" in text


def test_nothing_to_report() -> None:
    assert list(diff.report([], 3)) == ["## Ecosystem: +0 -0 findings, +0 -0 hunks in 0 of 3 packages and targets"]


def test_long_lists_are_cut() -> None:
    new = outcome(*(f"a.py:{n}:1: PRT101 one auto m" for n in range(diff.LONGEST + 5)))
    assert "... and 5 lines more" in list(diff.report([Change("a==1", "xla", outcome(), new)], 0))


def test_hunks_of_a_patch(tmp_path: Path) -> None:
    old, new = tmp_path / "old.py", tmp_path / "new.py"
    old.write_text("a\n" * 20)
    new.write_text("a\n" * 3 + "b\n" + "a\n" * 14 + "c\n")
    git = ["git", "diff", "--no-index", "--no-color", "old.py", "new.py"]
    patch = subprocess.run(git, cwd=tmp_path, capture_output=True, check=False, text=True).stdout
    first, second = diff.hunks(patch)
    assert (first[0].path, first[0].line, second[0].line) == ("new.py", 1, 15)
    assert "+b" in first[1]
    assert "+c" in second[1]


def test_lines_of_the_state_say_what_to_compare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, old = tmp_path / "here", tmp_path / "old"
    for folder in (here, old):
        folder.mkdir()
    name = "state.txt"
    monkeypatch.setattr(diff, "HERE", here)
    monkeypatch.setattr(state, "PATH", here / name)
    project = projects.load()[0]
    text = "\n".join(
        str(line(tmp_path / "tree", CODE)).replace("a==1 neuron", f"{project.package} {t}") for t in TARGETS
    )
    (here / name).write_text(text)
    assert {target for _, target in diff.differing(old, [project], TARGETS)} == set(TARGETS)  # none there before
    (old / name).write_text(text.replace("errors=1", "errors=2", 1))
    assert list(diff.differing(old, [project], TARGETS)) == [(project, TARGETS[0])]
