"""What `porter check` shows: code frames and fixes."""

from __future__ import annotations

import msgspec

from porter.model import Edit, Finding, Fix, Verdict
from porter.report import concise, full, json
from tests.cli.sample import finding, report, view, write


def shown(*findings: Finding, color: bool = False) -> str:
    return "".join(full.render(report(*findings), view(color=color)))


def test_frame_and_fix() -> None:
    text = "import torch\n\n\nmodel = build()\nmodel.to('cuda')\nmodel.train()\n\n\nend()\n"
    write("train.py", text)
    found = finding("train.py", text, "'cuda'", ("'cuda'", "'neuron'"))
    assert (
        shown(found)
        == """\
PRT101 [*] `cuda` ties this to CUDA
 --> train.py:5:10
  |
4 | model = build()
5 | model.to('cuda')
  |          ^^^^^^
6 | model.train()
  |
  = auto: same behaviour under another name
help: `porter rewrite` changes this
5 - model.to('cuda')
5 + model.to('neuron')

"""
    )


def test_no_fix_shows_the_advice() -> None:
    text = "x = nn.DataParallel(x)\n"
    write("a.py", text)
    found = finding("a.py", text, "nn.DataParallel", code="PRT502", verdict=Verdict.MANUAL, advice="Use DDP.")
    out = shown(found)
    assert "[*]" not in out
    assert "  = manual: Use DDP.\n" in out
    assert "help" not in out


def test_fix_in_two_places_shows_both_and_nothing_between() -> None:
    text = "a = 1\n" * 40 + "t.cuda()\n"
    write("a.py", text)
    found = finding("a.py", text, "t.cuda()", ("cuda", "neuron"))
    assert found.fix is not None
    both = Fix("safe", (Edit(0, 0, "import torch\n"), *found.fix.edits))
    lines = shown(msgspec.structs.replace(found, fix=both)).splitlines()
    assert lines[-4:] == [" 1 + import torch", "41 - t.cuda()", "41 + t.neuron()", ""]


def test_deleted_statement() -> None:
    text = "import torch\ntorch.cuda.init()\nx = 1\n"
    write("a.py", text)
    out = shown(finding("a.py", text, "torch.cuda.init()", ("torch.cuda.init()\n", "")))
    assert "2 - torch.cuda.init()\n" in out
    assert " + " not in out


def test_carets_stand_under_wide_characters_and_tabs() -> None:
    text = 'def f():\n\tname = "日本"; t.cuda()\n'
    write("a.py", text)
    lines = shown(finding("a.py", text, "t.cuda()")).splitlines()
    source = next(line for line in lines if "日本" in line)
    carets = next(line for line in lines if "^" in line)
    assert source.index("t.cuda") + 2 == carets.index("^")  # two of the characters take two columns
    assert carets.count("^") == len("t.cuda()")


def test_span_of_several_lines_is_underlined_to_the_end_of_its_first() -> None:
    text = "y = f(\n    1,\n)\n"
    write("a.py", text)
    assert "1 | y = f(\n  |     ^^\n2 |     1,\n" in shown(finding("a.py", text, "f(\n    1,\n)"))


def test_long_line_is_cut_around_the_finding() -> None:
    text = "x = [" + "1, " * 2000 + "'cuda', " + "2, " * 2000 + "]\n"
    write("a.py", text)
    frame = shown(finding("a.py", text, "'cuda'")).partition("  =")[0]
    assert "'cuda'" in frame
    assert max(map(len, frame.splitlines())) < 180


def test_other_encodings() -> None:
    text = "# -*- coding: latin-1 -*-\nname = 'é'; d = 'cuda'\n"
    write("a.py", text.encode("latin-1"))
    out = shown(finding("a.py", text, "'cuda'", ("'cuda'", "'neuron'"), encoding="latin-1"))
    assert "2 | name = 'é'; d = 'cuda'\n  |                 ^^^^^^\n" in out
    assert "2 + name = 'é'; d = 'neuron'\n" in out


def test_notebook_is_shown_by_cells() -> None:
    cells = [{"cell_type": "markdown", "source": ["# T"]}, {"cell_type": "code", "source": ["x = 1\n", "t.cuda()"]}]
    raw = msgspec.json.encode({"cells": cells, "nbformat": 4})
    write("n.ipynb", raw)
    made = finding("n.ipynb", raw, "t.cuda()", ("t.cuda()", "t.neuron()"))
    in_cell = msgspec.structs.replace(made, cell=1, line=2, column=1, end_line=2, end_column=9)
    assert (
        shown(in_cell).partition("help")[0].partition("\n")[2]
        == """\
 --> n.ipynb:cell 2:2:1
  |
1 | x = 1
2 | t.cuda()
  | ^^^^^^^^
  |
  = auto: same behaviour under another name
"""
    )
    assert shown(in_cell).endswith("2 - t.cuda()\n2 + t.neuron()\n\n")


def test_file_that_is_gone_has_no_frame() -> None:
    out = shown(finding("gone.py", "t.cuda()\n", "t.cuda()", ("cuda", "neuron")))
    assert out.splitlines()[:3] == [
        "PRT101 [*] `cuda` ties this to CUDA",
        " --> gone.py:1:1",
        "  = auto: same behaviour under another name",
    ]


def test_control_characters_do_not_reach_the_terminal() -> None:
    text = "x = '\x1b[31m'; t.cuda()\n"
    write("a.py", text)
    assert "\x1b" not in shown(finding("a.py", text, "t.cuda()"))


def test_colours_only_where_wanted() -> None:
    text = "t.cuda()\n"
    write("a.py", text)
    found = finding("a.py", text, "t.cuda()", ("cuda", "neuron"))
    assert "\x1b[" in shown(found, color=True)
    assert "\x1b[" not in shown(found)


def test_concise() -> None:
    text = "t.cuda()\nnn.DataParallel(x)\n"
    found = finding("a.py", text, "t.cuda()", ("cuda", "neuron"))
    other = finding("a.py", text, "nn.DataParallel", code="PRT502", verdict=Verdict.MANUAL, symbol="nn.DataParallel")
    assert "".join(concise.render(report(found, other), view())) == (
        "a.py:1:1: PRT101 [*] `cuda` ties this to CUDA\na.py:2:1: PRT502 `nn.DataParallel` ties this to CUDA\n"
    )


def test_json_is_the_contract() -> None:
    text = "t.cuda()\n"
    out = "".join(json.render(report(finding("a.py", text, "t.cuda()", ("cuda", "neuron"))), view()))
    data = msgspec.json.decode(out)
    assert list(data) == ["version", "porter", "target", "files", "errors", "findings"]
    assert data["findings"] == [
        {
            "path": "a.py",
            "line": 1,
            "column": 1,
            "end_line": 1,
            "end_column": 9,
            "cell": None,
            "code": "PRT101",
            "name": "hardcoded-cuda-device",
            "symbol": "cuda",
            "verdict": "auto",
            "message": "`cuda` ties this to CUDA",
            "advice": "",
            "guarded": False,
            "effort": "none",
            "evidence": "A",
            "fix": {"applicability": "safe", "edits": [{"start": 2, "end": 6, "text": "neuron"}]},
            "fingerprint": "0" * 16,
            "text": "",
        }
    ]
    assert list(data["findings"][0]) == [field.name for field in msgspec.structs.fields(Finding)]
