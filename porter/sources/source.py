"""A file as porter reads it: decoded text for analysis, and the way back to the bytes on disk."""

from __future__ import annotations

from bisect import bisect_right

import msgspec


class Source(msgspec.Struct):
    """One file, or the code of one notebook.

    ``text`` is UTF-8 without byte order mark, and is what `porter.index` and the rules see.
    For a notebook it is the code cells one after the other, magics blanked out at equal length.
    Subclasses or fields that map back to disk belong to `porter.sources`; callers use the methods only.
    """

    path: str  # relative to the working directory, with /
    raw: bytes  # as on disk
    text: bytes
    kind: str  # python, notebook, requirements, pyproject, setup-cfg, conda, docker, shell, make, yaml, json, toml, native
