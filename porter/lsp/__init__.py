"""``porter lsp``: what `porter check` says, in an editor while one types. Needs the extra ``lsp`` (pygls)."""
