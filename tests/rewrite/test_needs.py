"""Names that edits need: spelled as the file spells them, and brought where it has none."""

from __future__ import annotations

import ast

import pytest

from porter.index.site import Site
from porter.model import Verdict
from porter.rewrite.needs import supply
from porter.rules.base import Judgement, TextEdit, named, needing
from porter.sources.decode import decode
from porter.sources.source import Source
from porter.targets import TARGETS
from tests.rewrite.helpers import applied

DEFINITIONS = TARGETS["portable"].definitions
DEVICE = named("DEVICE")
FOUND = 'torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu"'
DEFINED = f"DEVICE = {FOUND}\n"


def judged(text: str, edits: dict[str, str], groups: dict[str, str] | None = None) -> tuple[Source, list[Judgement]]:
    """One judgement for each of ``edits``, which replace a part of the text that stands there once."""
    source = decode(text.encode(), "m.py", "python")
    assert isinstance(source, Source)
    found = []
    for old, new in edits.items():
        start = text.index(old)
        site = Site("device", "cuda", start, start + len(old), 1)
        edit = TextEdit(start, start + len(old), new)
        found.append(Judgement(site, None, Verdict.AUTO, "m", edits=(edit,), group=(groups or {}).get(old)))
    return source, found


def supplied(text: str, edits: dict[str, str]) -> str:
    source, judgements = judged(text, edits)
    done = supply(source, judgements, DEFINITIONS)
    assert all(judgement.verdict is Verdict.AUTO for judgement in done), [judgement.advice for judgement in done]
    result = applied(source.text, [edit for judgement in done for edit in judgement.edits]).decode()
    ast.parse(result)
    return result


@pytest.mark.parametrize(
    ("before", "edits", "after"),
    [
        # an import that comes too late is none, and one that is brought comes in time: cells run one after the other
        (
            "import os\nf(A)\n\nimport torch\ng(A2)\n",
            {"f(A)": f"f({DEVICE})", "A2": DEVICE},
            f"import os\nimport torch\n\n{DEFINED}\nf(DEVICE)\n\nimport torch\ng(DEVICE)\n",
        ),
        (
            "import os\nf(A)\n\nimport sys\n",
            {"A": named("!torch_xla") + "1"},
            "import os\nimport torch_xla\nf(1)\n\nimport sys\n",
        ),
        ("a = A\n\nimport torch\n", {"A": DEVICE}, f"import torch\na = {FOUND}\n\nimport torch\n"),
        (
            "def f():\n    return A\n\n\nimport torch\n",
            {"A": DEVICE},
            f"def f():\n    return {FOUND}\n\n\nimport torch\n",
        ),
        (
            "import os\n\ndef f():\n    pass\n\nimport torch as th\ng(A)\n",
            {"A": DEVICE},
            f"import os\nimport torch as th\n\n{DEFINED.replace('torch.', 'th.')}\ndef f():\n    pass\n\n"
            "import torch as th\ng(DEVICE)\n",
        ),
        # as the file spells it
        ("import torch\nf(A)\n", {"A": named("torch.accelerator")}, "import torch\nf(torch.accelerator)\n"),
        ("import torch as th\nf(A)\n", {"A": named("torch.accelerator")}, "import torch as th\nf(th.accelerator)\n"),
        (
            "import torch\nimport torch.distributed as dist\nf(A)\n",
            {"A": named("torch.distributed.get_rank") + "()"},
            "import torch\nimport torch.distributed as dist\nf(dist.get_rank())\n",
        ),
        (
            "import torch_xla.core.xla_model as model\nf(A)\n",
            {"A": named("torch_xla.core.xla_model.mark_step")},
            "import torch_xla.core.xla_model as model\nf(model.mark_step)\n",
        ),
        # an import, beside that of torch, else below the last one
        (
            "import torch\nfrom os import path\n\nf(A)\n",
            {"A": named("torch_xla.sync")},
            "import torch\nimport torch_xla\nfrom os import path\n\nf(torch_xla.sync)\n",
        ),
        ("from os import path\n\nf(A)\n", {"A": named("torch.a")}, "from os import path\nimport torch\n\nf(torch.a)\n"),
        ('"""Text."""\nf(A)\n', {"A": named("torch.a")}, '"""Text."""\nimport torch\nf(torch.a)\n'),
        ("f(A)\n", {"A": named("torch.a")}, "import torch\nf(torch.a)\n"),
        ("import torch\n\nf(A)\n", {"A": "1" + needing("torch_xla")}, "import torch\nimport torch_xla\n\nf(1)\n"),
        # a definition, below the imports that stand in front of its first use
        (
            "import torch\nimport os\n\n\ndef f(x):\n    return x.to(A), g(B)\n",
            {"A": DEVICE, "B": DEVICE},
            f"import torch\nimport os\n\n{DEFINED}\n\ndef f(x):\n    return x.to(DEVICE), g(DEVICE)\n",
        ),
        (
            "import torch\ntry:\n    import apex\nexcept ImportError:\n    apex = None\nf(A)\nimport os\n",
            {"A": DEVICE},
            f"import torch\ntry:\n    import apex\nexcept ImportError:\n    apex = None\n\n{DEFINED}\n"
            "f(DEVICE)\nimport os\n",
        ),
        (
            "import torch as th\n\nf(A)\n",
            {"A": DEVICE},
            f"import torch as th\n\n{DEFINED.replace('torch.', 'th.')}\nf(DEVICE)\n",
        ),
        # an import for it, at the same place
        (
            "from torch import nn\n\nf(A, B)\n",
            {"A": DEVICE, "B": named("torch.a")},
            f"from torch import nn\nimport torch\n\n{DEFINED}\nf(DEVICE, torch.a)\n",
        ),
        # the name that is free, or has the same meaning already
        (
            "import torch\nDEVICE = 3\nf(A)\n",
            {"A": DEVICE},
            f"import torch\n\n{DEFINED.replace('DEVICE', 'DEVICE_TYPE')}\nDEVICE = 3\nf(DEVICE_TYPE)\n",
        ),
        (f"import torch\ndevice = {FOUND}\nf(A)\n", {"A": DEVICE}, f"import torch\ndevice = {FOUND}\nf(device)\n"),
        # once, as all of what is assigned
        ("import torch\nx = A\n", {"A": DEVICE}, f"import torch\nx = {FOUND}\n"),
        ("import torch\nx = A + 'b'\n", {"A": DEVICE}, f"import torch\n\n{DEFINED}\nx = DEVICE + 'b'\n"),
        # lines end as the file's do
        ("import torch\r\n\r\nf(A)\r\n", {"A": DEVICE}, f"import torch\r\n\r\n{DEFINED[:-1]}\r\n\r\nf(DEVICE)\r\n"),
    ],
)
def test_names_are_spelled_and_brought(before: str, edits: dict[str, str], after: str) -> None:
    assert supplied(before, edits) == after


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("torch = 3\nf(A)\n", "`torch` means something else in this file"),
        (
            "import torch\nDEVICE = DEVICE_TYPE = PORTED_DEVICE = 3\nf(A)\n",
            "`DEVICE` means something else in this file",
        ),
        ("f(A)\nimport torch\n", "no import at the top of the file stands before it"),
        ("import torch\nprint 'x'; f(A)\n", "this Python cannot read the file's imports"),
    ],
)
def test_what_cannot_be_had_is_left_to_a_person(text: str, why: str) -> None:
    source, judgements = judged(text, {"A": DEVICE})
    (judgement,) = supply(source, judgements, DEFINITIONS)
    assert (judgement.verdict, judgement.edits) == (Verdict.MANUAL, ())
    assert why in judgement.advice


def test_a_group_stays_whole() -> None:
    source, judgements = judged("torch = 3\nf(A, B, C)\n", {"A": DEVICE, "B": "1", "C": "2"}, {"A": "g", "B": "g"})
    verdicts = [judgement.verdict for judgement in supply(source, judgements, DEFINITIONS)]
    assert verdicts == [Verdict.MANUAL, Verdict.MANUAL, Verdict.AUTO]


def test_a_hindrance_forbids_definitions_alone() -> None:
    source, judgements = judged("import torch\nx = 1\nf(A, B, C)\n", {"A": DEVICE, "B": DEVICE, "C": named("torch.a")})
    verdicts = [judgement.verdict for judgement in supply(source, judgements, DEFINITIONS, "it is too early")]
    assert verdicts == [Verdict.MANUAL, Verdict.MANUAL, Verdict.AUTO]
