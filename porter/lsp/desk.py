"""What the client has open: texts, and notebooks whose cells are texts."""

from __future__ import annotations

from lsprotocol import types

from porter.lsp.snapshot import Cell, File, Notebook, Snapshot
from porter.lsp.texts import Text


class Desk:
    """Open files by their addresses. Each method tells which file it has changed."""

    def __init__(self) -> None:
        self.encoding = "utf-16"  # what the client's columns count in
        self._texts: dict[str, Text] = {}
        self._notebooks: dict[str, list[types.NotebookCell]] = {}
        self._owners: dict[str, str] = {}  # of cells

    def __contains__(self, uri: str) -> bool:
        return uri in self._notebooks or uri in self._texts

    def owner(self, uri: str) -> str:
        """The notebook that a cell belongs to; any other text is a file of its own."""
        return self._owners.get(uri, uri)

    def snapshot(self, uri: str) -> Snapshot:
        """A file as it is now. Raises KeyError."""
        if (cells := self._notebooks.get(uri)) is None:
            return File(self._texts[uri])
        code = types.NotebookCellKind.Code
        return Notebook(uri, [Cell(self._texts.get(cell.document), cell.kind == code) for cell in cells])

    def open(self, item: types.TextDocumentItem) -> str:
        """The client has opened a text."""
        self._texts[item.uri] = Text.opened(item, self.encoding)
        return item.uri

    def change(self, params: types.DidChangeTextDocumentParams) -> str:
        """The client has changed a text."""
        document = params.text_document
        self._texts[document.uri] = self._texts[document.uri].changed(document.version, params.content_changes)
        return document.uri

    def close(self, uri: str) -> str:
        """The client has closed a text."""
        del self._texts[uri]
        return uri

    def open_notebook(self, params: types.DidOpenNotebookDocumentParams) -> str:
        """The client has opened a notebook."""
        uri = params.notebook_document.uri
        self._notebooks[uri] = list(params.notebook_document.cells)
        for item in params.cell_text_documents:
            self._owners[self.open(item)] = uri
        return uri

    def change_notebook(self, params: types.DidChangeNotebookDocumentParams) -> str:
        """The client has changed cells, or which there are."""
        uri = params.notebook_document.uri
        changed = params.change.cells
        cells = self._notebooks[uri]
        if changed is not None and changed.structure is not None:
            array = changed.structure.array
            cells[array.start : array.start + array.delete_count] = array.cells or ()
            for item in changed.structure.did_open or ():
                self._owners[self.open(item)] = uri
            for closed in changed.structure.did_close or ():
                del self._owners[self.close(closed.uri)]
        if changed is not None:
            now = {cell.document: cell for cell in changed.data or ()}
            cells[:] = [now.get(cell.document, cell) for cell in cells]
            for content in changed.text_content or ():
                text = self._texts[content.document.uri]
                self._texts[text.uri] = text.changed(content.document.version, content.changes)
        return uri

    def close_notebook(self, uri: str) -> str:
        """The client has closed a notebook, with all its cells."""
        del self._notebooks[uri]
        for cell in [cell for cell, owner in self._owners.items() if owner == uri]:
            del self._owners[self.close(cell)]
        return uri
