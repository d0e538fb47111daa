"""The language server: what happens when, and what is told to the client.

Every open file has a revision, which grows with each change. The newest is looked at after a short pause, in a thread
beside the one that speaks to the client; what comes of an older one is dropped. While somebody types, a large folder is
not brought together anew: that follows as soon as there is a rest. Whatever fails is logged, and nothing ends for it.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import TypeVar
from urllib.parse import urlsplit

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path

import porter
from porter.config import ConfigError
from porter.lsp import survey
from porter.lsp.desk import Desk
from porter.lsp.diagnostics import diagnostics
from porter.lsp.folder import Analysis, Folder
from porter.lsp.snapshot import Snapshot
from porter.lsp.workspace import Workspace
from porter.report.words import plural

PAUSE = 0.05  # seconds without a change, after which one is looked at
REST = 0.5  # likewise, after which the whole folder is brought together
STALE = 60.0  # seconds after which a folder is surveyed again, where the client does not tell what changes on disk

T = TypeVar("T")


class Open:
    """An open file: its newest revision, and what is known of one."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.revision = 0
        self.looked = asyncio.Event()  # at the newest revision
        self.analysis: Analysis | None = None  # of the newest revision
        self.pending: asyncio.Task[None] | None = None
        self.told: set[str] = set()  # texts that have diagnostics
        self.path = _path(uri)


class Server(LanguageServer):
    """All that is open, and what is known of it."""

    def __init__(self) -> None:
        cells = types.NotebookDocumentFilterWithCells(cells=[types.NotebookCellLanguage("python")])
        super().__init__(
            "porter",
            porter.__version__,
            text_document_sync_kind=types.TextDocumentSyncKind.Incremental,
            notebook_document_sync=types.NotebookDocumentSyncOptions([cells]),
        )
        self.desk = Desk()
        self.places = Workspace()
        self.watching = False  # whether the client tells what changes on disk
        self._files: dict[str, Open] = {}
        self._worker = ThreadPoolExecutor(1, "porter")
        self._surveys: dict[Path, asyncio.Task[None]] = {}
        self._told: set[str] = set()  # what the user was told once

    # -- files ---------------------------------------------------------------------------------

    def touch(self, uri: str, *, typing: bool = False) -> None:
        """A file is new, or has changed: look at it, what is under way about it is out of date."""
        file = self._files.setdefault(uri, Open(uri))
        file.revision += 1
        file.analysis = None
        file.looked.clear()
        if file.pending is not None:
            file.pending.cancel()
        file.pending = asyncio.ensure_future(self._look(file, typing=typing))

    def touch_all(self) -> None:
        """Look at every open file: something else has changed."""
        for uri in list(self._files):
            self.touch(uri)

    def gone(self, uri: str) -> None:
        """A file was closed."""
        file = self._files.pop(uri, None)
        if file is None:
            return
        if file.pending is not None:
            file.pending.cancel()
        self._publish(file, {}, None)
        if (analysis := file.analysis) is not None:
            self._worker.submit(analysis.folder.close, analysis.task)
        file.looked.set()

    async def analysis(self, uri: str) -> Analysis | None:
        """What is known of the newest revision of a file, as soon as it is; None where nothing is."""
        while (file := self._files.get(self.desk.owner(uri))) is not None:
            await file.looked.wait()
            if file.looked.is_set():  # still: it may have changed since
                return file.analysis
        return None

    async def work(self, function: Callable[..., T], *arguments: object) -> T:
        """Run something in the one thread that may use folders."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, lambda: function(*arguments))

    async def _look(self, file: Open, *, typing: bool) -> None:
        """Look at the newest revision, and once more at the whole folder if that was too much while typing."""
        quick = typing
        try:
            while True:
                await asyncio.sleep((PAUSE if quick else REST) if typing else 0)
                analysis = await self._examine(file, quick=quick)
                settled = analysis is None or analysis.settled
                file.analysis = analysis
                if analysis is not None and not (typing and analysis.problems):  # half a line is no news
                    self._publish(file, diagnostics(analysis), analysis.snapshot)
                elif analysis is None:
                    self._publish(file, {}, None)
                file.looked.set()
                if settled:
                    return
                quick = False
        except ConfigError as error:
            self.tell(str(error))
            self._publish(file, {}, None)
        except Exception:
            self.confess(f"{file.uri} was not looked at")
        file.looked.set()

    async def _examine(self, file: Open, *, quick: bool) -> Analysis | None:
        snapshot = self.desk.snapshot(file.uri)
        analysis, folder = await self.work(self._examined, file.path, snapshot, quick)
        if self.places.shared(folder):
            self._keep_up(folder)
        return analysis

    def _examined(self, path: Path, snapshot: Snapshot, quick: bool) -> tuple[Analysis | None, Folder]:
        folder = self.places.folder(path)
        task = folder.task(path, snapshot)
        return (folder.examine(task, snapshot, quick=quick) if task is not None else None), folder

    def _publish(self, file: Open, told: dict[str, list[types.Diagnostic]], snapshot: Snapshot | None) -> None:
        """Tell the client; of texts that are not among these any more, that there is nothing."""
        versions = {text.uri: text.version for text in snapshot.texts} if snapshot is not None else {}
        for uri in (*told, *(file.told - told.keys())):
            self.text_document_publish_diagnostics(
                types.PublishDiagnosticsParams(uri, told.get(uri, []), versions.get(uri))
            )
        file.told = {uri for uri, some in told.items() if some}

    # -- folders -------------------------------------------------------------------------------

    def outdated(self, path: Path | None = None) -> None:
        """Something has changed on disk, at ``path`` or anywhere: survey the folders again that hold it."""
        for folder in self.places.folders:
            if path is None or folder.path in path.parents:
                folder.stale = True
                if self.places.shared(folder):
                    self._keep_up(folder)

    def _keep_up(self, folder: Folder) -> None:
        """Survey a folder that was not, that has changed, or was not lately where nobody says what changes."""
        fresh = not folder.stale and (self.watching or monotonic() - folder.surveyed < STALE)
        if not fresh and folder.path not in self._surveys:
            self._surveys[folder.path] = asyncio.ensure_future(self._survey(folder))

    async def _survey(self, folder: Folder) -> None:
        process, folder.stale, started = None, False, monotonic()
        try:
            pipe = asyncio.subprocess.PIPE
            process = await asyncio.create_subprocess_exec(*survey.command(), stdin=pipe, stdout=pipe)
            raw, _ = await process.communicate(survey.asked(folder.request()))
            if process.returncode:
                raise ChildProcessError(f"the survey ended with status {process.returncode}")
            files = await self.work(lambda: folder.adopt(survey.answer(raw)))
            told = f"surveyed {folder.path}: {plural(files, 'file')} in {monotonic() - started:.1f} s"
            self.window_log_message(types.LogMessageParams(types.MessageType.Info, told))
        except Exception:
            self.confess(f"{folder.path} was not surveyed: its files are looked at one by one")
        finally:
            folder.surveyed = monotonic()
            self._surveys.pop(folder.path, None)
            if process is not None and process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
        self.touch_all()

    # -- words ---------------------------------------------------------------------------------

    def tell(self, message: str) -> None:
        """Show the user what is wrong with the settings; once, until they change."""
        if message not in self._told:
            self._told.add(message)
            self.window_show_message(types.ShowMessageParams(types.MessageType.Error, f"porter: {message}"))

    def reconsider(self) -> None:
        """Settings have changed, or may have: begin anew."""
        self._told.clear()
        self.places.forget()
        self.touch_all()

    def confess(self, what: str) -> None:
        """Log that porter failed at something."""
        self.window_log_message(types.LogMessageParams(types.MessageType.Error, f"{what}\n{traceback.format_exc()}"))

    def shutdown(self) -> None:
        """End what is under way."""
        self._worker.shutdown(wait=False, cancel_futures=True)
        super().shutdown()  # type: ignore[no-untyped-call]


def _path(uri: str) -> Path:
    """Where a file is. One that is nowhere on disk gets a name that no file has, where the server runs."""
    if uri.startswith("file:") and (path := to_fs_path(uri)) is not None:
        return Path(path)
    return Path.cwd() / f"{urlsplit(uri).scheme}:{Path(urlsplit(uri).path).name}"
