"""A folder that is too large to be brought together at each keystroke: the quick answer, and the one at rest."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from lsprotocol import types

from porter.config import load
from porter.lsp import survey
from porter.lsp.folder import Analysis, Folder
from porter.lsp.server import Server
from porter.lsp.snapshot import File
from porter.lsp.texts import Text

HELPER = "import torch\n\n\ndef where(name):\n    return torch.device(name)\n"
BEFORE = "from helper import where\n\nwhere('cuda')\n"
AFTER = BEFORE + "\n\ndef mine(name):\n    where(name)\n\n\nmine('cuda:0')\n"


def snapshot(path: Path, text: str) -> File:
    return File(Text.opened(types.TextDocumentItem(path.as_uri(), "python", 1, text), "utf-16"))


def look(folder: Folder, path: Path, text: str, *, quick: bool) -> Analysis:
    shown = snapshot(path, text)
    task = folder.task(path, shown)
    assert task is not None
    return folder.examine(task, shown, quick=quick)


@pytest.fixture
def known(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """A folder after its survey, in which nothing is quick enough."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr("porter.lsp.folder.PATIENCE", 0.0)
    (folder / "helper.py").write_text(HELPER, encoding="utf-8")
    (folder / "train.py").write_text(BEFORE, encoding="utf-8")
    made = Folder(folder, load(folder, overrides={"cache": False}))
    found = [survey._survey(one.folder, settings) for one in [made.request()] for settings in one.settings]
    assert made.adopt(survey.answer(msgspec.msgpack.encode(found))) == 2
    return made


def test_the_quick_answer_knows_what_is_new_in_the_file(known: Folder, folder: Path) -> None:
    path = folder / "train.py"
    first = look(known, path, BEFORE, quick=False)
    assert first.settled and len(list(first.findings)) == 1
    quick = look(known, path, AFTER, quick=True)
    assert not quick.settled
    rest = look(known, path, AFTER, quick=False)
    assert rest.settled
    assert list(quick.findings) == list(rest.findings)
    assert ["taken by `torch.device()`" in finding.message for finding in quick.findings] == [True, True]


def test_the_whole_follows_at_rest(known: Folder, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    examine = Folder.examine

    def spied(self: Folder, *arguments: object, quick: bool) -> Analysis:
        asked.append(quick)
        return examine(self, *arguments, quick=quick)  # type: ignore[arg-type]

    async def session() -> None:
        monkeypatch.setattr(Folder, "examine", spied)
        server = Server()
        monkeypatch.setattr(server.places, "folder", lambda _: known)
        monkeypatch.setattr(server, "text_document_publish_diagnostics", lambda _: None)
        path = folder / "train.py"
        uri = server.desk.open(types.TextDocumentItem(path.as_uri(), "python", 1, BEFORE))
        server.touch(uri)
        assert (await server.analysis(uri)) is not None
        document = types.VersionedTextDocumentIdentifier(2, uri)
        whole = types.TextDocumentContentChangeWholeDocument(AFTER)
        server.touch(server.desk.change(types.DidChangeTextDocumentParams(document, [whole])), typing=True)
        analysis = await server.analysis(uri)
        assert analysis is not None and not analysis.settled
        await asyncio.sleep(1.5)
        analysis = await server.analysis(uri)
        assert analysis is not None and analysis.settled
        server.shutdown()

    asyncio.run(session())
    assert asked == [False, True, False]
