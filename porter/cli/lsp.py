"""``porter lsp``: what `check` says, in an editor while one types."""

from __future__ import annotations

import click

from porter.cli.options import Failure


@click.command("lsp", short_help="Serve an editor: findings, explanations and fixes while you type.")
@click.option("--stdio", is_flag=True, hidden=True, help="What is done anyway; some editors say so.")
def command(stdio: bool) -> None:
    """Speak the Language Server Protocol on standard input and output, until the editor ends it.

    Settings come from [tool.porter], as for `porter check`; the editor's initialization options may hold
    the same keys. docs/editors.md says how to set up VS Code, Neovim and PyCharm.
    """
    try:
        from porter.lsp.features import server
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in ("pygls", "lsprotocol"):
            raise
        raise Failure("the language server needs pygls: pip install 'trn-porter[lsp]'") from error
    server().start_io()
