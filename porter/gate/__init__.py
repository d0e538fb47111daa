"""The gate of `porter check`: which findings fail it, which are known, which stand on lines that changed."""
