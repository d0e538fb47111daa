"""porter and libcst read the same names, and the comparison would tell if they did not."""

from __future__ import annotations

from pathlib import Path

import pytest

from porter.catalog import load as load_catalogue
from porter.engine import FileChange
from porter.index.facts import Task
from porter.index.names import Names
from porter.index.scope import Scope
from porter.model import Problem
from porter.rewrite.patch import Change, splice
from porter.sources.decode import decode
from tests.ecosystem.conftest import ROOT
from tests.ecosystem.names import Compared, compare, compare_all
from tests.ecosystem.renames import hold
from tests.ecosystem.second import opinion_on


@pytest.mark.parametrize(
    ("code", "name", "meaning"),
    [
        ("import torch.cuda as c\n", "c.Event", "torch.cuda.Event"),
        ("import torch.cuda\n", "torch.cuda.Event", "torch.cuda.Event"),
        ("from .a import b\n", "b.c", "pkg.a.b.c"),
        ("from ... import b\n", "b", "b"),
        ("try:\n  from a import f\nexcept E:\n  from b import f\n", "f", "a.f, b.f"),
        ("import torch\ncuda = torch.cuda\n", "cuda.Event", "torch.cuda.Event"),
        ("import torch\ncuda, x = torch.cuda, 1\n", "cuda.Event", "torch.cuda.Event"),
        ("import torch\nf = None\nif x: f = torch.f\n", "f", "torch.f"),
        ("import torch\nf = make()\nif x: f = torch.f\n", "f", "torch.f, Name f"),
        ("def f(): pass\n", "f", "pkg.mod.f"),
        ("class A:\n  import a\ndef f(a):\n  pass\n", "a", ""),
        ("", "print", "builtins.print"),
    ],
)
def test_what_a_name_may_stand_for(code: str, name: str, meaning: str) -> None:
    source = decode(f"{code}({name})\n".encode(), "pkg/mod.py", "python")
    assert not isinstance(source, Problem)
    opinion = opinion_on(source)
    start = source.text.rindex(b"(") + 1
    assert str(opinion.meaning(opinion.chains[start, start + len(name)])) == meaning


# What makes the same name stand for different things, and different names for the same.
TRICKY = """
import torch, torch.cuda.nvtx as nvtx
from torch.cuda import *
from torch.cuda.amp import (autocast as cast,
                            GradScaler)
try:
    from torch.amp import custom_fwd
except ImportError:
    from torch.cuda.amp import custom_fwd
if torch.cuda.is_available():
    sync = torch.cuda.synchronize
else:
    sync = None
context = custom_fwd
class Model:
    cuda = torch.cuda
    def run(self, torch=None):
        torch.cuda.synchronize()
    def go(self, x: torch.Tensor, cuda=1):
        global late
        from torch import cuda
        late = cuda.Event
        nvtx.range_push(f"{cuda.current_device()}")
        return [cuda.Stream() for cuda in range(3)], x.cuda(), Model.cuda
    with torch.no_grad(), cast(): sync()
@context
def f(nvtx): return nvtx.range_push, lambda cast: cast()
late()
"""


def compared(code: str, folder: Path) -> Compared:
    (folder / "mod.py").write_text(code)
    return compare(folder, Task("mod.py", "mod.py", "python"))


def test_tricky_names(tmp_path: Path) -> None:
    result = compared(TRICKY, tmp_path)
    assert result.disagreements == ()
    assert sum(result.agreed.values()) > 20


def test_an_index_that_looks_into_classes_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lookup(self: Scope | None, name: str) -> object:
        while self is not None and name not in self.bindings:
            self = self.parent
        return self and self.bindings[name]

    monkeypatch.setattr(Scope, "lookup", lookup)
    code = "import torch\nclass A:\n  class torch: pass\n  def f(self): torch.cuda.synchronize()\n"
    assert {d.kind for d in compared(code, tmp_path).disagreements} == {"name"}


def test_an_index_that_is_too_sure_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stands_for = Names._stands_for

    def sure(self: Names, *arguments: object) -> object:
        found = stands_for(self, *arguments)  # type: ignore[arg-type]
        return found and type(found)(found.qualified, found.alias, True)

    monkeypatch.setattr(Names, "_stands_for", sure)
    kinds = {d.kind for d in compared(TRICKY, tmp_path).disagreements}
    assert kinds == {"sure"}


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("import torch.cuda as c; c.synchronize()", "alias"),
        ("from torch.cuda import synchronize; synchronize()", "name"),
    ],
)
def test_an_index_with_other_origins_is_told(
    code: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stands_for = Names._stands_for

    def other(self: Names, *arguments: object) -> object:
        found = stands_for(self, *arguments)  # type: ignore[arg-type]
        if found is None or kind == "alias":
            return found and type(found)(found.qualified, next(iter(self.scopes)).body[0], True)  # type: ignore[attr-defined]
        return type(found)("torch.cuda.empty_cache", found.alias, True)

    monkeypatch.setattr(Names, "_stands_for", other)
    assert {d.kind for d in compared(f"import os\n{code}\n", tmp_path).disagreements} == {kind}


def test_cases_and_examples(snippets: Path) -> None:
    results = list(compare_all([snippets, ROOT / "examples"], 100, seed=1, jobs=1, limit=60.0))
    assert [str(d) for result in results for d in result.disagreements] == []
    assert len(results) > 50


BEFORE = """\
import torch
from torch.cuda import Event, synchronize
def f(torch_xla): return Event()
synchronize()
"""


def edited(replaced: list[tuple[str, str]]) -> FileChange:
    """``BEFORE`` edited: what stands between bars in the first of each pair becomes the second."""
    changes = []
    for marked, new in replaced:
        ahead, old, behind = marked.split("|")
        at = BEFORE.index(ahead + old + behind) + len(ahead)
        changes.append(Change(at, at + len(old), new.encode()))
    raw = BEFORE.encode()
    return FileChange("mod.py", raw, splice(raw, changes), tuple(changes), [], [])


@pytest.mark.parametrize(
    ("replaced", "broken"),
    [
        ([("|cuda| import", "neuron")], ""),
        ([("|cuda| import", "neuron"), ("|synchronize|()", "torch.neuron.synchronize")], ""),
        ([("|synchronize()|", "pass")], ""),
        ([("Event|, synchronize|", "")], "4: orphan: torch.cuda.synchronize -> -"),
        ([("import |Event|", "Stream as Event")], "3: captured: torch.cuda.Event -> torch.cuda.Stream"),
        ([("Event()|\n|", "\nEvent = 1\n")], "3: captured: torch.cuda.Event -> torch.cuda.Event, Name Event"),
        (
            [("|synchronize|()", "torch.neuron.empty_cache")],
            "4: claim: torch.cuda.synchronize -> torch.neuron.empty_cache",
        ),
        ([("Event()\n||", "xm.mark()\n")], "4: unbound: - -> xm.mark"),
        ([("Event()\n||", "xm.mark()\nimport xm\n")], "4: late: - -> xm.mark"),
    ],
)
def test_names_of_a_rewritten_file(replaced: list[tuple[str, str]], broken: str) -> None:
    held = hold(edited(replaced), load_catalogue(), "neuron")
    assert held is not None
    assert "\n".join(map(str, held.broken)) == (f"mod.py:{broken}" if broken else "")


def test_what_edits_take_away_or_leave_is_counted() -> None:
    held = hold(edited([("|cuda| import", "neuron")]), load_catalogue(), "neuron")
    assert held is not None
    assert held.counts == {"as claimed": 2}
    assert held.pairs["torch.cuda.Event", "torch.neuron.Event"] == 1
