"""Whatever fails, the server goes on: proven in its own process, where things can be broken on purpose."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types

from porter.lsp import survey
from porter.lsp.server import Server
from tests.lsp.client import CAPABILITIES, PATIENCE, Client, serve

CODE = "import torch\n\ntorch.cuda.synchronize()\n"


class Silent(Server):
    """A server whose words are kept."""

    def __init__(self) -> None:
        super().__init__()
        self.logged: list[str] = []
        self.published: list[types.PublishDiagnosticsParams] = []

    def window_log_message(self, params: types.LogMessageParams) -> None:
        self.logged.append(params.message)

    def text_document_publish_diagnostics(self, params: types.PublishDiagnosticsParams) -> None:
        self.published.append(params)


async def looked(server: Server, uri: str) -> Any:
    return await asyncio.wait_for(server.analysis(uri), PATIENCE)


def test_a_defect_is_logged_and_the_next_version_looked_at(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def session() -> None:
        server = Silent()
        uri = (folder / "train.py").as_uri()
        with monkeypatch.context() as broken:
            broken.setattr("porter.lsp.folder.judge", lambda *_: 1 / 0)
            server.touch(server.desk.open(types.TextDocumentItem(uri, "python", 1, CODE)))
            assert await looked(server, uri) is None
            assert "ZeroDivisionError" in server.logged[0]
        document = types.VersionedTextDocumentIdentifier(2, uri)
        whole = types.TextDocumentContentChangeWholeDocument(CODE + "\n")
        server.touch(server.desk.change(types.DidChangeTextDocumentParams(document, [whole])), typing=True)
        analysis = await looked(server, uri)
        assert [finding.code for finding in analysis.findings] == ["PRT201"]
        server.shutdown()

    asyncio.run(session())


@pytest.mark.parametrize("command", [("false",), ("echo", "nonsense"), ("no such program",)])
def test_without_a_survey_files_are_looked_at_one_by_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    async def session() -> None:
        server = Silent()
        server.places.roots = [folder]
        monkeypatch.setattr(survey, "command", lambda: command)
        uri = (folder / "train.py").as_uri()
        server.touch(server.desk.open(types.TextDocumentItem(uri, "python", 1, CODE)))
        assert await looked(server, uri) is not None
        for _ in range(100):
            await asyncio.sleep(0.05)
            if server.logged:
                break
        assert "was not surveyed" in server.logged[0]
        assert (await looked(server, uri)) is not None
        assert len(server.logged) == 1  # and it is not tried again at once
        server.shutdown()

    asyncio.run(session())


def test_nonsense_from_the_client_ends_nothing(client: Client, folder: Path) -> None:
    client.notify(
        "textDocument/didChange",
        {"textDocument": {"uri": "file:///never/opened.py", "version": 2}, "contentChanges": []},
    )
    client.notify("textDocument/didClose", {"textDocument": {"uri": "file:///never/opened.py"}})
    client.notify("textDocument/didOpen", {"textDocument": 3})
    client.notify("no/such", {})
    assert (
        client.request(
            "textDocument/hover", {"textDocument": {"uri": "file:///x.py"}, "position": {"line": 0, "character": 0}}
        )
        is None
    )
    place = {"line": 99, "character": 99}
    assert client.actions("file:///x.py", {"start": place, "end": place}) == []
    uri = client.open(folder / "train.py", CODE)
    assert [diagnostic["code"] for diagnostic in client.settled(uri)] == ["PRT201"]


def test_a_folder_that_vanishes(client: Client, folder: Path) -> None:
    (folder / "train.py").write_text(CODE, encoding="utf-8")
    uri = client.open(folder / "train.py")
    client.settled(uri)
    (folder / "train.py").unlink()
    for path in folder.rglob("*"):
        if path.is_file():
            path.unlink()
    client.change(uri, 2, CODE + "torch.cuda.synchronize()\n")
    assert len(client.diagnostics(uri, 2)) == 2


def test_modules_of_the_users_are_never_imported(folder: Path) -> None:
    """Neither by the server nor by the process that surveys: a folder is read, and nothing in it runs."""
    for name in ("msgspec", "pathspec", "porter", "json", "types"):
        (folder / f"{name}.py").write_text("open('owned', 'w').close()\n", encoding="utf-8")
    (folder / "train.py").write_text(CODE, encoding="utf-8")
    with serve(folder) as client:
        assert client.settled(client.open(folder / "train.py"))
    assert not list(folder.rglob("owned"))


def test_the_server_ends_with_its_client(folder: Path) -> None:
    command = [sys.executable, "-m", "porter", "lsp", "--stdio"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        client = Client(process)
        params = {"processId": None, "rootUri": folder.as_uri(), "capabilities": CAPABILITIES}
        client.request("initialize", params)
        client.notify("initialized", {})
        client.open(folder / "train.py", CODE)
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(PATIENCE)
        finally:
            os.kill(process.pid, signal.SIGKILL) if process.poll() is None else None


def test_without_the_extra_it_says_so() -> None:
    code = "import sys; sys.modules['pygls'] = None; from porter.cli import main; sys.exit(main(['lsp']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "porter: the language server needs pygls: pip install 'trn-porter[lsp]'\n"
