"""The entry point that PyTorch calls when it is imported: what makes `porter run` reach into the program's process."""

from __future__ import annotations

import os


def activate() -> None:
    """Begin a session where this process runs under ``porter run``; do nothing anywhere else."""
    if "PORTER_RUN" in os.environ:
        from porter.launch.session import begin

        begin()
