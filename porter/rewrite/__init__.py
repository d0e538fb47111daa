"""From judgements to patched files: builders, names, application, patches and comments."""
