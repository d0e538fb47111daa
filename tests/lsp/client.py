"""A client for the tests: JSON-RPC with a server in a process of its own, as editors speak it, and nothing of pygls."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE = 30.0  # seconds; machines that run tests are slow

Json = Any

CAPABILITIES: Json = {
    "general": {"positionEncodings": ["utf-16"]},
    "textDocument": {
        "codeAction": {"resolveSupport": {"properties": ["edit"]}, "dataSupport": True},
        "publishDiagnostics": {"versionSupport": True},
    },
    "notebookDocument": {"synchronization": {}},
    "workspace": {
        "workspaceEdit": {"documentChanges": True},
        "didChangeWatchedFiles": {"dynamicRegistration": True},
        "workspaceFolders": True,
    },
}


class Client:
    """One session. What the server says on its own is kept until somebody waits for it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.said: list[Json] = []  # notifications and requests of the server
        self.registered: list[str] = []
        self._answers: dict[int, Json] = {}
        self._last = 0
        self._inbox: queue.Queue[Json | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        stream = self.process.stdout
        assert stream is not None
        while line := stream.readline():
            length = 0
            while line.strip():
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
                line = stream.readline()
            self._inbox.put(json.loads(stream.read(length)))
        self._inbox.put(None)

    def _send(self, message: Json) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def notify(self, method: str, params: Json) -> None:
        self._send({"method": method, "params": params})

    def begin(self, method: str, params: Json) -> int:
        self._last += 1
        self._send({"id": self._last, "method": method, "params": params})
        return self._last

    def request(self, method: str, params: Json) -> Json:
        return self.answer(self.begin(method, params))

    def answer(self, number: int) -> Json:
        """The result of a request; raises `Refused` for an error."""
        while number not in self._answers:
            self._take(PATIENCE)
        message = self._answers.pop(number)
        if "error" in message:
            raise Refused(message["error"])
        return message["result"]

    def _take(self, timeout: float) -> None:
        message = self._inbox.get(timeout=timeout)
        assert message is not None, "the server has ended"
        if "method" not in message:
            self._answers[message["id"]] = message
            return
        self.said.append(message)
        if "id" in message:
            if message["method"] == "client/registerCapability":
                self.registered += [one["method"] for one in message["params"]["registrations"]]
            self._send({"id": message["id"], "result": None})

    def wait(self, wanted: Callable[[Json], bool]) -> Json:
        """The first thing that the server says, or has said, and that is wanted; it is not found again."""
        while True:
            for place, message in enumerate(self.said):
                if wanted(message):
                    del self.said[: place + 1]
                    return message["params"]
            self._take(PATIENCE)

    def quiet(self, seconds: float) -> list[Json]:
        """What the server has said, and says within a time."""
        try:
            while True:
                self._take(seconds)
        except queue.Empty:
            pass
        said, self.said = self.said, []
        return said

    # -- files ---------------------------------------------------------------------------------

    def open(self, path: Path, text: str | None = None, language: str = "python") -> str:
        """Open a file with its contents on disk, or others; returns its address."""
        uri = path.as_uri()
        content = path.read_bytes().decode() if text is None else text
        item = {"uri": uri, "languageId": language, "version": 1, "text": content}
        self.notify("textDocument/didOpen", {"textDocument": item})
        return uri

    def change(self, uri: str, version: int, *changes: Json) -> None:
        """Change it: whole texts, or changes with a range."""
        events = [{"text": change} if isinstance(change, str) else change for change in changes]
        document = {"uri": uri, "version": version}
        self.notify("textDocument/didChange", {"textDocument": document, "contentChanges": events})

    def diagnostics(self, uri: str, version: int | None = None) -> list[Json]:
        """Wait until the server speaks of a text (of a version); what it says."""

        def wanted(message: Json) -> bool:
            params = message["params"]
            told = message["method"] == "textDocument/publishDiagnostics" and params["uri"] == uri
            return told and (version is None or params.get("version") == version)

        found: list[Json] = self.wait(wanted)["diagnostics"]
        return found

    def surveyed(self) -> None:
        """Wait until the server knows a folder of the workspace."""
        self.wait(lambda said: said["method"] == "window/logMessage" and "surveyed" in said["params"]["message"])

    def settled(self, uri: str, version: int | None = None) -> list[Json]:
        """The diagnostics after that."""
        self.surveyed()
        return self.diagnostics(uri, version)

    def actions(self, uri: str, where: Json, only: list[str] | None = None) -> list[Json]:
        context = {"diagnostics": [], **({"only": only} if only else {})}
        params = {"textDocument": {"uri": uri}, "range": where, "context": context}
        found: list[Json] = self.request("textDocument/codeAction", params)
        return found

    def fix(self, uri: str, where: Json, start: str, only: list[str] | None = None) -> Json:
        """The edit of the action whose title starts so."""
        (action,) = [action for action in self.actions(uri, where, only) if action["title"].startswith(start)]
        return self.request("codeAction/resolve", action)["edit"]

    def hover(self, uri: str, line: int, character: int) -> str:
        position = {"line": line, "character": character}
        found = self.request("textDocument/hover", {"textDocument": {"uri": uri}, "position": position})
        return str(found["contents"]["value"]) if found else ""


class Refused(Exception):
    """The server has answered with an error."""


@contextmanager
def serve(
    *folders: Path, capabilities: Json = CAPABILITIES, options: Json = None, cwd: Path | None = None
) -> Iterator[Client]:
    """A server with these folders of a workspace."""
    command = [sys.executable, "-m", "porter", "lsp"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=cwd or Path(__file__).parents[2]
    ) as process:
        client = Client(process)
        try:
            params = {
                "processId": None,
                "rootUri": folders[0].as_uri() if folders else None,
                "workspaceFolders": [{"uri": folder.as_uri(), "name": folder.name} for folder in folders] or None,
                "capabilities": capabilities,
                **({"initializationOptions": options} if options is not None else {}),
            }
            client.capabilities = client.request("initialize", params)["capabilities"]  # type: ignore[attr-defined]
            client.notify("initialized", {})
            yield client
            client.request("shutdown", None)
            client.notify("exit", None)
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()


def applied(text: str, edits: list[Json]) -> str:
    """A text after edits, as an editor that counts in UTF-16 applies them."""
    lines = text.splitlines(keepends=True)  # the tests know which ends of lines they use

    def offset(position: Json) -> int:
        if position["line"] >= len(lines):
            return len(text)
        line = lines[position["line"]].encode("utf-16-le")[: 2 * position["character"]].decode("utf-16-le")
        return sum(map(len, lines[: position["line"]])) + len(line)

    for edit in sorted(edits, key=lambda edit: offset(edit["range"]["start"]), reverse=True):
        start, end = offset(edit["range"]["start"]), offset(edit["range"]["end"])
        text = text[:start] + edit["newText"] + text[end:]
    return text
