"""Files that porter could not read or rewrite: reported by the engine, not by sites."""
