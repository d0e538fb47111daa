"""The protocol's requests and notifications, and what the server does for each."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.uris import to_fs_path

from porter.lsp.actions import KINDS, actions, edits, overlap, workspace_edit
from porter.lsp.hover import page
from porter.lsp.server import Server

SETTINGS = ("pyproject.toml", "porter.toml", "porter-baseline.txt")
WATCHED = ("**/*.{py,pyi,ipynb}", *(f"**/{name}" for name in SETTINGS))


def server() -> Server:
    """A server that knows what to do, to be started with ``start_io``."""
    made = Server()
    for method, (handler, options) in _FEATURES.items():
        made.feature(method, options)(handler)
    return made


# -- the workspace -----------------------------------------------------------------------------


def initialize(server: Server, params: types.InitializeParams) -> None:
    """Take over the client's folders, its options, and what its columns count in."""
    server.desk.encoding = str(getattr(server.workspace.position_encoding, "value", server.workspace.position_encoding))
    roots = [folder.uri for folder in params.workspace_folders or ()] or [server.workspace.root_uri or ""]
    server.places.roots = [Path(path) for uri in roots if uri and (path := to_fs_path(uri))]
    server.places.configure(params.initialization_options)
    if server.places.roots and server.places.roots[0].is_dir():
        os.chdir(server.places.roots[0])  # what porter says of other files is relative to where it runs


def initialized(server: Server, params: types.InitializedParams) -> None:
    """Ask to be told of changes on disk."""
    workspace = server.client_capabilities.workspace
    watched = workspace.did_change_watched_files if workspace is not None else None
    if watched is not None and watched.dynamic_registration:
        watchers = [types.FileSystemWatcher(pattern) for pattern in WATCHED]
        options = types.DidChangeWatchedFilesRegistrationOptions(watchers)
        registration = types.Registration("porter", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)
        server.client_register_capability(types.RegistrationParams([registration]))
        server.watching = True


def changed_folders(server: Server, params: types.DidChangeWorkspaceFoldersParams) -> None:
    """The user has opened or closed a folder."""
    gone = {folder.uri for folder in params.event.removed}
    added = [Path(path) for folder in params.event.added if (path := to_fs_path(folder.uri))]
    left = [root for root in server.places.roots if root.as_uri() not in gone]
    server.places.roots = [*left, *(root for root in added if root not in left)]
    server.reconsider()


def changed_settings(server: Server, params: types.DidChangeConfigurationParams) -> None:
    """The user has changed settings of the editor: those of porter stand under its name."""
    if isinstance(params.settings, dict) and "porter" in params.settings:
        server.places.configure(params.settings["porter"])
        server.reconsider()


def changed_on_disk(server: Server, params: types.DidChangeWatchedFilesParams) -> None:
    """Files have changed, which may change what there is to say of others."""
    if any(change.uri.endswith(SETTINGS) for change in params.changes):
        server.reconsider()
    for change in params.changes:
        if change.uri not in server.desk and (place := to_fs_path(change.uri)):  # what is open is known as it is open
            server.outdated(Path(place))


# -- files -------------------------------------------------------------------------------------


def opened(server: Server, params: types.DidOpenTextDocumentParams) -> None:
    """A text is open."""
    server.touch(server.desk.open(params.text_document))


def changed(server: Server, params: types.DidChangeTextDocumentParams) -> None:
    """Somebody types."""
    server.touch(server.desk.change(params), typing=True)


def saved(server: Server, params: types.DidSaveTextDocumentParams) -> None:
    """A text is on disk as it is open."""
    uri = server.desk.owner(params.text_document.uri)
    if uri.endswith(SETTINGS):
        server.reconsider()
    elif uri in server.desk:
        server.touch(uri)


def closed(server: Server, params: types.DidCloseTextDocumentParams) -> None:
    """A text is no longer open."""
    server.gone(server.desk.close(params.text_document.uri))


def opened_notebook(server: Server, params: types.DidOpenNotebookDocumentParams) -> None:
    """A notebook is open."""
    server.touch(server.desk.open_notebook(params))


def changed_notebook(server: Server, params: types.DidChangeNotebookDocumentParams) -> None:
    """Somebody types in a cell, or moves cells about."""
    server.touch(server.desk.change_notebook(params), typing=True)


def saved_notebook(server: Server, params: types.DidSaveNotebookDocumentParams) -> None:
    """A notebook is on disk as it is open."""
    server.touch(params.notebook_document.uri)


def closed_notebook(server: Server, params: types.DidCloseNotebookDocumentParams) -> None:
    """A notebook is no longer open."""
    server.gone(server.desk.close_notebook(params.notebook_document.uri))


# -- questions ---------------------------------------------------------------------------------


async def hover(server: Server, params: types.HoverParams) -> types.Hover | None:
    """What stands behind the finding at a place."""
    uri = params.text_document.uri
    analysis = await server.analysis(uri)
    here = types.Range(params.position, params.position)
    for finding in analysis.findings if analysis is not None else ():
        where = analysis.snapshot.where(finding) if analysis is not None else None
        if analysis is not None and where is not None and where[0].uri == uri and overlap(where[1], here):
            return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, page(finding, analysis)), where[1])
    return None


async def code_actions(server: Server, params: types.CodeActionParams) -> list[types.CodeAction]:
    """What can be done about the findings at a place."""
    uri = params.text_document.uri
    analysis = await server.analysis(uri)
    if analysis is None:
        return []
    context = params.context
    found = list(actions(analysis, uri, params.range, context.only, context.diagnostics))
    return found if _resolves(server) else [await _resolved(server, action) for action in found]


async def resolve(server: Server, action: types.CodeAction) -> types.CodeAction:
    """What an action is to change."""
    return await _resolved(server, action)


async def _resolved(server: Server, action: types.CodeAction) -> types.CodeAction:
    data: dict[str, Any] = action.data if isinstance(action.data, dict) else {}
    analysis = await server.analysis(str(data.get("uri")))
    if analysis is None:
        return action
    made = await server.work(edits, analysis, data.get("what"), data.get("fingerprint"))
    if made:
        workspace = server.client_capabilities.workspace
        known = workspace.workspace_edit if workspace is not None else None
        action.edit = workspace_edit(made, versioned=bool(known is not None and known.document_changes))
    else:
        action.disabled = types.CodeActionDisabled("the result would not be what it has to be; see `porter rewrite`")
    return action


def _resolves(server: Server) -> bool:
    """Whether the client asks for the edits of an action when it needs them."""
    document = server.client_capabilities.text_document
    known = document.code_action if document is not None else None
    support = known.resolve_support if known is not None else None
    return support is not None and "edit" in support.properties


_FEATURES: dict[str, tuple[Any, Any]] = {
    types.INITIALIZE: (initialize, None),
    types.INITIALIZED: (initialized, None),
    types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS: (changed_folders, None),
    types.WORKSPACE_DID_CHANGE_CONFIGURATION: (changed_settings, None),
    types.WORKSPACE_DID_CHANGE_WATCHED_FILES: (changed_on_disk, None),
    types.TEXT_DOCUMENT_DID_OPEN: (opened, None),
    types.TEXT_DOCUMENT_DID_CHANGE: (changed, None),
    types.TEXT_DOCUMENT_DID_SAVE: (saved, None),
    types.TEXT_DOCUMENT_DID_CLOSE: (closed, None),
    types.NOTEBOOK_DOCUMENT_DID_OPEN: (opened_notebook, None),
    types.NOTEBOOK_DOCUMENT_DID_CHANGE: (changed_notebook, None),
    types.NOTEBOOK_DOCUMENT_DID_SAVE: (saved_notebook, None),
    types.NOTEBOOK_DOCUMENT_DID_CLOSE: (closed_notebook, None),
    types.TEXT_DOCUMENT_HOVER: (hover, None),
    types.TEXT_DOCUMENT_CODE_ACTION: (code_actions, types.CodeActionOptions(KINDS, resolve_provider=True)),
    types.CODE_ACTION_RESOLVE: (resolve, None),
}
