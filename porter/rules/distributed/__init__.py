"""Process groups, wrappers and launch."""
