"""Quick fixes and hover: asked for over a pipe, and applied as an editor applies them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.lsp.client import Client, applied, serve

TRAIN = """\
import torch
from torch.cuda.amp import autocast

model = torch.nn.Linear(2, 2)
s = "😀𐐷"; model.cuda()
torch.cuda.synchronize()
with autocast():
    loss = model(torch.zeros(1, 2, device="cuda"))
stats = torch.cuda.memory_stats()
"""


def at(line: int, character: int) -> dict[str, Any]:
    place = {"line": line, "character": character}
    return {"start": place, "end": place}


def edits_of(edit: Any, uri: str, version: int = 1) -> list[Any]:
    """The edits of one text, for the version that was asked about."""
    (change,) = edit["documentChanges"]
    assert change["textDocument"] == {"uri": uri, "version": version}
    found: list[Any] = change["edits"]
    return found


@pytest.fixture
def client(shared: tuple[Client, Path]) -> Client:
    return shared[0]


@pytest.fixture
def folder(shared: tuple[Client, Path], request: pytest.FixtureRequest) -> Path:
    """One for each test."""
    place = shared[1] / re.sub(r"\W", "_", request.node.name)
    place.mkdir()
    return place


@pytest.fixture
def train(client: Client, folder: Path) -> str:
    (folder / "train.py").write_text(TRAIN, encoding="utf-8")
    uri = client.open(folder / "train.py")
    client.diagnostics(uri)
    return uri


def test_titles(client: Client, train: str) -> None:
    assert [action["title"] for action in client.actions(train, at(5, 3))] == [
        "porter: rewrite `torch.cuda.synchronize`",
        "porter: ignore PRT201 here",
        "porter: rewrite all in this file that keep their behaviour (3)",
        "porter: rewrite all in this file (5, of which 2 to review)",
    ]
    assert client.actions(train, at(3, 0)) == []


def test_this_finding(client: Client, train: str) -> None:
    edit = client.fix(train, at(4, 14), "porter: rewrite `")
    assert applied(TRAIN, edits_of(edit, train)) == TRAIN.replace("model.cuda()", 'model.to("neuron")')
    edit = client.fix(train, at(6, 6), "porter: rewrite `")
    expected = TRAIN.replace("with autocast()", 'with autocast("neuron", dtype=torch.bfloat16)')
    expected = expected.replace("from torch.cuda.amp import", "from torch.amp import")
    assert applied(TRAIN, edits_of(edit, train)) == expected


def test_only_what_keeps_its_behaviour_is_preferred(client: Client, train: str) -> None:
    (safe, *_), (review, *_) = client.actions(train, at(5, 3)), client.actions(train, at(6, 6))
    assert safe["isPreferred"] is True
    assert "isPreferred" not in review and review["title"].endswith("(review: behaviour differs)")


def test_what_changes_together_is_changed_together(client: Client, folder: Path) -> None:
    text = (
        "import torch\nfrom torch.cuda.amp import GradScaler, autocast\n\nscaler = GradScaler()\n"
        "with autocast():\n    loss = f()\nscaler.scale(loss).backward()\n"
    )
    (folder / "a.py").write_text(text, encoding="utf-8")
    uri = client.open(folder / "a.py")
    client.diagnostics(uri)
    edit = client.fix(uri, at(4, 6), "porter: rewrite `torch.cuda.amp.autocast` and 1 more that change with it")
    result = applied(text, edits_of(edit, uri))
    assert "from torch.amp import GradScaler, autocast" in result
    assert 'GradScaler("neuron"' in result and 'autocast("neuron"' in result


def test_all_in_the_file(client: Client, train: str) -> None:
    everything = applied(TRAIN, edits_of(client.fix(train, at(5, 3), "porter: rewrite all in this file ("), train))
    assert "torch.neuron.synchronize()" in everything
    assert 'autocast("neuron"' in everything
    client.change(train, 2, everything)
    left = client.diagnostics(train, 2)
    assert [diagnostic["code"] for diagnostic in left if diagnostic["code"] in ("PRT102", "PRT201", "PRT303")] == []
    assert not any("rewrite" in a["title"] for d in left for a in client.actions(train, d["range"]))


def test_all_that_is_safe_as_editors_ask_for_it_on_save(client: Client, train: str) -> None:
    (action,) = client.actions(train, at(0, 0), only=["source.fixAll"])
    assert action["kind"] == "source.fixAll.porter"
    result = applied(TRAIN, edits_of(client.request("codeAction/resolve", action)["edit"], train))
    assert "torch.neuron.synchronize()" in result
    assert "with autocast():" in result
    assert client.actions(train, at(5, 3), only=["refactor"]) == []


def test_ignore_here(client: Client, train: str) -> None:
    result = applied(TRAIN, edits_of(client.fix(train, at(5, 3), "porter: ignore"), train))
    assert result == TRAIN.replace("synchronize()", "synchronize()  # porter: ignore[PRT201] kept for CUDA")
    client.change(train, 2, result)
    assert "PRT201" not in [diagnostic["code"] for diagnostic in client.diagnostics(train, 2)]


def test_ignore_adds_to_a_comment_that_is_there(client: Client, folder: Path) -> None:
    text = "import torch\n\ntorch.zeros(1).cuda(); torch.cuda.synchronize()  # porter: ignore[PRT102] on purpose\n"
    (folder / "a.py").write_text(text, encoding="utf-8")
    uri = client.open(folder / "a.py")
    (diagnostic,) = client.diagnostics(uri)
    result = applied(text, edits_of(client.fix(uri, diagnostic["range"], "porter: ignore"), uri))
    assert result == text.replace("[PRT102]", "[PRT102, PRT201]")


def test_actions_are_for_what_is_there_now(client: Client, train: str) -> None:
    """A request that follows a change at once waits for what is known of it."""
    client.change(train, 2, "\n" + TRAIN)
    edit = client.fix(train, at(6, 3), "porter: rewrite `")
    assert applied("\n" + TRAIN, edits_of(edit, train, 2)) == "\n" + TRAIN.replace("cuda.synch", "neuron.synch")


def test_a_client_that_resolves_nothing_gets_the_edits_at_once(folder: Path) -> None:
    (folder / "train.py").write_text(TRAIN, encoding="utf-8")
    with serve(folder, capabilities={}) as client:
        uri = client.open(folder / "train.py")
        client.settled(uri)
        (action,) = [a for a in client.actions(uri, at(5, 3)) if a["title"].startswith("porter: rewrite `")]
        assert applied(TRAIN, action["edit"]["changes"][uri]) == TRAIN.replace("cuda.synch", "neuron.synch")


@pytest.mark.parametrize("newline", ["\r\n", "\r"])
def test_other_newlines_stay(client: Client, folder: Path, newline: str) -> None:
    text = TRAIN.replace("\n", newline)
    (folder / "a.py").write_bytes(text.encode())
    uri = client.open(folder / "a.py")
    client.diagnostics(uri)
    edit = client.fix(uri, at(5, 3), "porter: rewrite all in this file (")
    result = applied(text, edits_of(edit, uri))
    assert "torch.neuron.synchronize()" in result
    assert result.count(newline) == result.count("\n") + (result.count("\r") if newline == "\r" else 0)


def test_edits_in_a_file_of_another_encoding(client: Client, folder: Path) -> None:
    text = '# -*- coding: latin-1 -*-\nimport torch\ns = "é"; torch.cuda.synchronize()\n'
    (folder / "a.py").write_bytes(text.encode("latin-1"))
    uri = client.open(folder / "a.py", text)
    client.diagnostics(uri)
    edit = client.fix(uri, at(2, 12), "porter: rewrite `")
    assert applied(text, edits_of(edit, uri)) == text.replace("torch.cuda", "torch.neuron")


def test_hover(client: Client, train: str) -> None:
    text = client.hover(train, 5, 8)
    assert "PRT201 cuda-runtime-call" in text
    assert "| neuron | auto | `torch.neuron.synchronize` | A |" in text
    assert "| xla | review |" in text
    assert "Evidence A: vendor documentation" in text
    assert "https://" in text
    assert client.hover(train, 3, 0) == ""


def test_hover_over_what_check_lets_pass(client: Client, folder: Path) -> None:
    text = "import torch\n\nif torch.cuda.is_available():\n    torch.cuda.memory_stats()\n"
    (folder / "a.py").write_text(text, encoding="utf-8")
    uri = client.open(folder / "a.py")
    assert 3 not in [diagnostic["range"]["start"]["line"] for diagnostic in client.diagnostics(uri)]
    assert "lets it pass: it runs only under a test for CUDA" in client.hover(uri, 3, 8)


def test_a_cancelled_request_is_answered_as_such(client: Client, train: str) -> None:
    client.change(train, 2, TRAIN + "\n")
    context = {"textDocument": {"uri": train}, "position": {"line": 5, "character": 3}}
    number = client.begin("textDocument/hover", context)
    client.notify("$/cancelRequest", {"id": number})
    with pytest.raises(Exception, match="-32800"):
        client.answer(number)
    assert client.hover(train, 5, 8)
