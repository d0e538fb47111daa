"""What reads a file of requirements beside pip: setuptools, which takes no options, such as an index."""

from __future__ import annotations

import re

from porter.rules.base import Context

# How the file is named to setuptools, by what names it.
_NAMED = {
    "setup.py": r"^[^#\n]*[\"'][^\"'\n]*{}[\"']",
    "setup.cfg": r"^[^#\n]*\bfile:[^\n]*{}",
    "pyproject.toml": r"^[^#\n]*\bfile\s*=\s*(?:\[[^\]]*)?[\"'][^\"'\n]*{}[\"']",
}
_OPTION = re.compile(rb"^[ \t]*-", re.MULTILINE)


def reader(ctx: Context) -> str | None:
    """The file by which setuptools takes this one for what the package requires; None where it has options already."""
    folder, _, name = ctx.source.path.rpartition("/")
    if ctx.source.kind != "requirements" or _OPTION.search(ctx.source.shown):
        return None
    above, _, last = folder.rpartition("/")
    wanted = rf"(?<![\w.-]){re.escape(name)}"
    return _in_folder(folder, wanted, ctx) or (
        _in_folder(above, rf"(?<![\w.-]){re.escape(last)}(?:/|[\"'],\s*[\"']){re.escape(name)}", ctx) if last else None
    )


def _in_folder(folder: str, wanted: str, ctx: Context) -> str | None:
    """The file of setuptools in a folder that names what is wanted."""
    for name in ctx.project.files.get(folder, ()):
        text = ctx.project.contents(f"{folder}/{name}".lstrip("/")) if name in _NAMED else b""
        if text and re.search(_NAMED[name].format(wanted).encode(), text, re.MULTILINE):
            return name
    return None
