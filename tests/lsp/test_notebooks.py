"""Notebooks: cells as the client has them, positions and edits in each; and the JSON, for clients without notebooks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.lsp.client import Client, Json, applied

MARKDOWN, CODE = 1, 2


class Sheet:
    """A notebook that a client has open."""

    def __init__(self, client: Client, path: Path, *cells: tuple[int, str, str]) -> None:
        self.client, self.uri, self.version = client, path.as_uri(), 1
        self.cells = [f"vscode-notebook-cell:{path}#{n}" for n in range(len(cells))]
        document = {
            "uri": self.uri,
            "notebookType": "jupyter-notebook",
            "version": 1,
            "cells": [{"kind": kind, "document": uri} for uri, (kind, _, _) in zip(self.cells, cells, strict=True)],
        }
        texts = [
            item(uri, text) for uri, (_, language, text) in zip(self.cells, cells, strict=True) if language == "python"
        ]
        client.notify("notebookDocument/didOpen", {"notebookDocument": document, "cellTextDocuments": texts})

    def change(self, **cells: Json) -> None:
        self.version += 1
        params = {"notebookDocument": {"uri": self.uri, "version": self.version}, "change": {"cells": cells}}
        self.client.notify("notebookDocument/didChange", params)

    def type(self, cell: int, version: int, *changes: Json) -> None:
        document = {"uri": self.cells[cell], "version": version}
        self.change(textContent=[{"document": document, "changes": list(changes)}])


def item(uri: str, text: str) -> Json:
    return {"uri": uri, "languageId": "python", "version": 1, "text": text}


def lines(diagnostics: list[Any]) -> list[tuple[str, int, int]]:
    return [(d["code"], d["range"]["start"]["line"], d["range"]["start"]["character"]) for d in diagnostics]


def notebook(client: Client, folder: Path) -> Sheet:
    return Sheet(
        client,
        folder / "a.ipynb",
        (MARKDOWN, "markdown", "# torch.cuda"),
        (CODE, "python", 'import torch\ns = "😀\\n\\"𐐷"; torch.cuda.synchronize()\n'),
        (CODE, "julia", "using CUDA"),
        (CODE, "python", "%matplotlib inline\nmodel = torch.nn.Linear(2, 2)\nmodel.cuda()"),
    )


def test_diagnostics_of_cells(client: Client, folder: Path) -> None:
    sheet = notebook(client, folder)
    assert lines(client.settled(sheet.cells[1])) == [("PRT201", 1, 16)]
    assert lines(client.diagnostics(sheet.cells[3])) == [("PRT102", 2, 0)]


def test_typing_in_a_cell(client: Client, folder: Path) -> None:
    sheet = notebook(client, folder)
    client.settled(sheet.cells[3])
    place = {"line": 1, "character": 0}
    sheet.type(3, 2, {"range": {"start": place, "end": place}, "text": "\n"})
    assert lines(client.diagnostics(sheet.cells[3], 2)) == [("PRT102", 3, 0)]
    sheet.type(3, 3, {"text": "x = 1"})
    assert client.diagnostics(sheet.cells[3], 3) == []


def test_cells_come_and_go(client: Client, folder: Path) -> None:
    sheet = notebook(client, folder)
    client.settled(sheet.cells[3])
    new = "vscode-notebook-cell:new"
    array = {"start": 2, "deleteCount": 2, "cells": [{"kind": CODE, "document": new}]}
    closed = [{"uri": sheet.cells[3]}]
    opened = [item(new, "torch.cuda.synchronize()")]
    sheet.change(structure={"array": array, "didOpen": opened, "didClose": closed})
    assert lines(client.diagnostics(new)) == [("PRT201", 0, 0)]
    assert client.diagnostics(sheet.cells[3]) == []
    client.notify(
        "notebookDocument/didClose",
        {"notebookDocument": {"uri": sheet.uri}, "cellTextDocuments": [{"uri": sheet.cells[1]}, {"uri": new}]},
    )
    assert client.diagnostics(new) == []


def test_fixes_in_cells(client: Client, folder: Path) -> None:
    sheet = notebook(client, folder)
    texts = {sheet.cells[1]: 'import torch\ns = "😀\\n\\"𐐷"; torch.cuda.synchronize()\n'}
    texts[sheet.cells[3]] = "%matplotlib inline\nmodel = torch.nn.Linear(2, 2)\nmodel.cuda()"
    client.settled(sheet.cells[3])
    here = {"start": {"line": 1, "character": 20}, "end": {"line": 1, "character": 20}}
    edit = client.fix(sheet.cells[1], here, "porter: rewrite all")
    for change in edit["documentChanges"]:
        uri = change["textDocument"]["uri"]
        texts[uri] = applied(texts[uri], change["edits"])
    assert texts[sheet.cells[1]].endswith('s = "😀\\n\\"𐐷"; torch.neuron.synchronize()\n')
    assert texts[sheet.cells[3]].endswith('model.to("neuron")')
    (change,) = client.fix(sheet.cells[1], here, "porter: ignore")["documentChanges"]
    assert change["textDocument"]["uri"] == sheet.cells[1]
    (made,) = change["edits"]
    assert made["range"]["start"] == {"line": 1, "character": 40}
    assert made["newText"] == "  # porter: ignore[PRT201] kept for CUDA"
    assert "torch.neuron.synchronize" in client.hover(sheet.cells[1], 1, 20)


def test_the_json_of_a_notebook(client: Client, folder: Path) -> None:
    content = {
        "cells": [{"cell_type": "code", "metadata": {}, "source": ["import torch\n", "torch.cuda.synchronize()"]}],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    text = json.dumps(content, indent=1) + "\n"
    (folder / "a.ipynb").write_text(text, encoding="utf-8")
    uri = client.open(folder / "a.ipynb", language="json")
    (diagnostic,) = client.settled(uri)
    line = next(n for n, line in enumerate(text.splitlines()) if "torch.cuda" in line)
    assert diagnostic["range"]["start"] == {"line": line, "character": text.splitlines()[line].index("torch.cuda")}
    edit = client.fix(uri, diagnostic["range"], "porter: rewrite `")
    assert applied(text, edit["documentChanges"][0]["edits"]) == text.replace("torch.cuda", "torch.neuron")
