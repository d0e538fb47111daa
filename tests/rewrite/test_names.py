"""Renames through the real index: every spelling of an import, and what holds one back."""

from __future__ import annotations

import ast

import pytest

from porter import catalog
from porter.catalog.types import load_types
from porter.index.build import index
from porter.index.site import Site
from porter.index.watch import watch
from porter.model import Verdict
from porter.rewrite.calls import delete_statement
from porter.rewrite.names import settle
from porter.rules.base import Judgement, TextEdit, named
from porter.sources.decode import decode
from porter.sources.source import Source
from tests.rewrite.helpers import applied, source_of

RENAMES = {
    "torch.cuda": "torch.neuron",
    "torch.cuda.amp": "torch.amp",
    "torch.cuda.amp.autocast": "torch.amp.autocast",
    "torch.cuda.amp.GradScaler": "torch.amp.GradScaler",
    "torch.cuda.synchronize": "torch.neuron.synchronize",
    "torch.cuda.device_count": "torch.neuron.device_count",
    "torch.cuda.memory_cached": "torch.neuron.memory_reserved",
    "torch.cuda.Event": "torch.neuron.Event",
    "apex.optimizers.FusedAdam": "torch.optim.AdamW",
}
DELETED = {"torch.cuda.empty_cache"}


def answer(site: Site) -> Judgement:
    if site.name in RENAMES:
        return Judgement(site, None, Verdict.AUTO, "m", rename=RENAMES[site.name])
    if site.name in DELETED:
        if site.role == "import" or site.call is None:
            return Judgement(site, None, Verdict.MANUAL, "m")
        return Judgement(site, None, Verdict.REVIEW, "m", edits=(TextEdit(site.call.start, site.call.end, "None"),))
    return Judgement(site, None, Verdict.BLOCKED, "m", advice="Nothing to be done.")


def settled(text: str, group: dict[str, str] | None = None) -> tuple[Source, list[Judgement]]:
    source = decode(text.encode(), "m.py", "python")
    assert isinstance(source, Source)
    found = index(source, watch(catalog.load()), load_types())
    judgements = [answer(site) for site in found.sites if site.kind == "symbol" and site.receiver is None]
    if group:
        judgements = [
            Judgement(j.site, None, j.verdict, "m", edits=j.edits, rename=j.rename, group=group.get(j.site.name))
            for j in judgements
        ]
    return source, settle(source, judgements)


def rewritten(text: str) -> str:
    source, judgements = settled(text)
    result = applied(source.text, [edit for j in judgements for edit in j.edits]).decode()
    ast.parse(result)
    return result


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("import torch\ntorch.cuda.synchronize()\n", "import torch\ntorch.neuron.synchronize()\n"),
        ("import torch as th\nth.cuda.amp.autocast()\n", "import torch as th\nth.amp.autocast()\n"),
        ("import torch\nx = (torch\n  .cuda.synchronize)\n", "import torch\nx = (torch\n  .neuron.synchronize)\n"),
        ("import torch\ntorch.cuda.memory_cached()\n", "import torch\ntorch.neuron.memory_reserved()\n"),
        # from-imports of symbols
        ("from torch.cuda.amp import autocast\nautocast()\n", "from torch.amp import autocast\nautocast()\n"),
        ("from torch.cuda.amp import autocast as ac\nac()\n", "from torch.amp import autocast as ac\nac()\n"),
        (
            "from torch.cuda.amp import autocast, GradScaler as GS\nautocast(); GS()\n",
            "from torch.amp import autocast, GradScaler as GS\nautocast(); GS()\n",
        ),
        (
            "from torch.cuda import memory_cached\nmemory_cached()\n",
            "from torch.neuron import memory_reserved\nmemory_reserved()\n",
        ),
        (
            "from torch.cuda import memory_cached as mc\nmc()\n",
            "from torch.neuron import memory_reserved as mc\nmc()\n",
        ),
        (
            "from torch.cuda.amp import (\n    autocast,  # for speed\n    GradScaler,\n)\nautocast(), GradScaler()\n",
            "from torch.amp import (\n    autocast,  # for speed\n    GradScaler,\n)\nautocast(), GradScaler()\n",
        ),
        ("from torch.cuda.amp import autocast\n", "from torch.amp import autocast\n"),
        # from-imports of modules
        ("from torch import cuda\ncuda.synchronize()\n", "from torch import neuron\nneuron.synchronize()\n"),
        ("from torch import cuda as c\nc.synchronize()\n", "from torch import neuron as c\nc.synchronize()\n"),
        ("from torch import nn, cuda\ncuda.synchronize()\n", "from torch import nn, neuron\nneuron.synchronize()\n"),
        ("from torch.cuda import amp\namp.autocast()\n", "from torch import amp\namp.autocast()\n"),
        ("import torch.cuda as tc\ntc.synchronize()\n", "import torch.neuron as tc\ntc.synchronize()\n"),
        ("import torch\nimport torch.cuda as cuda\ncuda.synchronize()\n", "import torch\ntorch.neuron.synchronize()\n"),
        ("import torch.cuda.amp as amp\namp.autocast()\n", "import torch.amp as amp\namp.autocast()\n"),
        (
            "import torch\nfrom torch import cuda\ncuda.synchronize(); cuda.amp.autocast()\n",
            "import torch\nfrom torch import neuron\nneuron.synchronize(); torch.amp.autocast()\n",
        ),
        # assignments
        (
            "import torch\ncuda = torch.cuda\ncuda.synchronize()\n",
            "import torch\ncuda = torch.neuron\ncuda.synchronize()\n",
        ),
        (
            "import torch\nsync = torch.cuda.synchronize\nsync()\n",
            "import torch\nsync = torch.neuron.synchronize\nsync()\n",
        ),
        (
            "import torch\nfrom torch import cuda\namp = cuda.amp\namp.autocast()\n",
            "import torch\namp = torch.amp\namp.autocast()\n",
        ),
        # the root
        ("import torch.cuda\ntorch.cuda.synchronize()\n", "import torch\ntorch.neuron.synchronize()\n"),
        ("import torch\nimport torch.cuda\ntorch.cuda.synchronize()\n", "import torch\ntorch.neuron.synchronize()\n"),
        ("import torch.cuda, os\ntorch.cuda.synchronize()\n", "import torch, os\ntorch.neuron.synchronize()\n"),
        # parts that go apart
        (
            "def f():\n    from torch.cuda import synchronize, nvtx\n    synchronize(); nvtx.mark('x')\n",
            "def f():\n    from torch.neuron import synchronize\n    from torch.cuda import nvtx\n"
            "    synchronize(); nvtx.mark('x')\n",
        ),
        (
            "from torch.cuda import synchronize, nvtx  # both\nsynchronize(); nvtx.mark('x')\n",
            "from torch.neuron import synchronize\nfrom torch.cuda import nvtx  # both\n"
            "synchronize(); nvtx.mark('x')\n",
        ),
        # what is not used any more
        ("from torch.cuda import empty_cache\nempty_cache()\n", "None\n"),
        (
            "from torch.cuda import empty_cache, synchronize\nempty_cache(); synchronize()\n",
            "from torch.neuron import synchronize\nNone; synchronize()\n",
        ),
        ("def f():\n    from torch.cuda import empty_cache\n    empty_cache()\n", "def f():\n    None\n"),
    ],
)
def test_everything_moves(before: str, after: str) -> None:
    assert rewritten(before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (  # one use stays, the others are spelled in full
            "import torch\nfrom torch import cuda\ncuda.synchronize(); cuda.nvtx.mark('x')\n",
            "import torch\nfrom torch import cuda\ntorch.neuron.synchronize(); cuda.nvtx.mark('x')\n",
        ),
        (  # the new name is taken
            "import torch\nfrom torch import cuda\nneuron = 1\ncuda.synchronize()\n",
            "import torch\nneuron = 1\ntorch.neuron.synchronize()\n",
        ),
        (  # a use that porter does not follow
            "import torch\nfrom torch import cuda\nf = lambda cuda: cuda\ncuda.synchronize()\n",
            "import torch\nfrom torch import cuda\nf = lambda cuda: cuda\ntorch.neuron.synchronize()\n",
        ),
        (  # no line for a second import
            "import torch\nif x: from torch.cuda import synchronize, nvtx\nsynchronize(); nvtx.mark('x')\n",
            "import torch\nif x: from torch.cuda import synchronize, nvtx\n"
            "torch.neuron.synchronize(); nvtx.mark('x')\n",
        ),
    ],
)
def test_an_import_that_stays(before: str, after: str) -> None:
    assert rewritten(before) == after


@pytest.mark.parametrize(
    "text",
    [
        "from torch import cuda\ncuda.synchronize(); cuda.nvtx.mark('x')\n",
        "from torch import cuda\ncuda.synchronize(); neuron = 1\n",
        "from torch import cuda\ndef f(cuda): return cuda\ncuda.synchronize()\n",
    ],
)
def test_what_an_import_cannot_bring_is_left_to_be_imported(text: str) -> None:
    _, judgements = settled(text)
    moved = [j for j in judgements if j.site.name in RENAMES]
    assert moved
    assert named("torch.neuron.synchronize") in {edit.text for j in moved for edit in j.edits}


@pytest.mark.parametrize(("spelled", "imported"), [("a", "import apex as a"), ("apex", "import apex")])
def test_a_package_goes_with_its_last_use(spelled: str, imported: str) -> None:
    before, after = f"{spelled}.optimizers.FusedAdam(p)\n", "torch.optim.AdamW(p)\n"
    assert rewritten(f"import torch\n{imported}\n{before}") == f"import torch\n{after}"
    for stays in (f"{spelled}.amp.initialize()\n", f"f({spelled})\n", f"{spelled}.optimizers.FusedLAMB(p)\n"):
        text = f"import torch\n{imported}\n{before}{stays}"
        assert rewritten(text) == f"import torch\n{imported}\n{after}{stays}"


def test_a_trial_that_only_raises_goes_with_its_import() -> None:
    body = "    try:\n        import apex\n    except ImportError:\n        raise ImportError('Install apex')\n"
    text = f"import torch\ndef f(p):\n{body}    return apex.optimizers.FusedAdam(p)\n"
    assert rewritten(text) == "import torch\ndef f(p):\n    return torch.optim.AdamW(p)\n"


def test_import_and_uses_form_a_group_with_the_uses_own() -> None:
    text = "from torch.cuda.amp import autocast, GradScaler\nautocast(); GradScaler()\n"
    _, judgements = settled(text, {"torch.cuda.amp.GradScaler": "scaler"})
    assert {j.group for j in judgements} == {"scaler"}
    shared = set.intersection(*(set(j.edits) for j in judgements))
    assert len(shared) == 1


def test_a_member_that_cannot_be_edited_holds_its_group() -> None:
    text = "import torch\ntorch.cuda.synchronize(); torch.cuda.nvtx.mark('x'); torch.cuda.device_count()\n"
    group = {"torch.cuda.synchronize": "g", "torch.cuda.nvtx.mark": "g"}
    _, judgements = settled(text, group)
    verdicts = {j.site.name: j.verdict for j in judgements}
    assert verdicts["torch.cuda.synchronize"] is Verdict.MANUAL
    assert verdicts["torch.cuda.device_count"] is Verdict.AUTO


def test_an_import_takes_the_verdict_of_its_uses() -> None:
    _, judgements = settled("from torch.cuda import empty_cache\nempty_cache()\n")
    assert [j.verdict for j in judgements] == [Verdict.REVIEW, Verdict.REVIEW]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("if x:\n    a()\n    b()\nc()\n", "c()\n"),
        ("if x.type == 'cuda' and not y:\n    a()\n    b()\nc()\n", "c()\n"),
        ("if x:\n    # why\n    a()\n    b()\nc()\n", "if x:\n    # why\n    pass\nc()\n"),
        ("if x():\n    a()\n    b()\nc()\n", "if x():\n    pass\nc()\n"),
        ("if x:\n    a()\n    b()\nelse:\n    c()\n", "if x:\n    pass\nelse:\n    c()\n"),
        ("if y:\n    c()\nelif x:\n    a()\n    b()\n", "if y:\n    c()\nelif x:\n    pass\n"),
        ("for x in y:\n    a()\n    b()\n", "for x in y:\n    pass\n"),
        ("if x:\n    a()\n    c()\n    b()\n", "if x:\n    c()\n"),
        ("a()\nb()\n", ""),
        (
            "try:\n    c()\nexcept E:\n    a()\n    b()\nelse:\n    c()\n",
            "try:\n    c()\nexcept E:\n    pass\nelse:\n    c()\n",
        ),
    ],
)
def test_a_block_keeps_a_statement(before: str, after: str) -> None:
    source = source_of(before.encode())
    judgements = []
    for name in ("a()", "b()"):
        at = before.index(name)
        edit = delete_statement(source.text, at, at + 3, siblings=2)
        assert edit is not None
        site = Site("symbol", "torch.cuda.empty_cache", at, at + 1, 1)
        judgements.append(Judgement(site, None, Verdict.AUTO, "m", edits=(edit,)))
    result = applied(source.text, [edit for j in settle(source, judgements) for edit in j.edits])
    assert result.decode() == after
