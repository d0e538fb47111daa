"""What a format needs to know beside the findings."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from porter.reading import read_regular
from porter.report.excerpt import Excerpts
from porter.report.paint import Paint

if TYPE_CHECKING:
    from porter.config import Settings
    from porter.model import Finding
    from porter.report.disk import Disk


class View:
    """How to show a report.

    ``contents`` holds bytes of files that are not on disk (standard input); everything else is
    read when a format asks for it. ``width`` is in columns. ``paths`` is what was scanned, as the
    user typed it.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        color: bool = False,
        width: int = 100,
        paths: tuple[str, ...] = (".",),
        contents: dict[str, bytes] | None = None,
    ) -> None:
        self.settings = settings
        self.target = settings.target
        self.paint = Paint(color)
        self.width = width
        self.paths = paths
        self._contents = contents or {}
        self._last = Excerpts("", b"")
        self._disk: Disk | None = None

    def plain(self, width: int) -> View:
        """The same for a file: without colours, in ``width`` columns."""
        return View(self.settings, width=width, paths=self.paths, contents=self._contents)

    def code(self, finding: Finding, style: str) -> str:
        """The finding's code in a style, linked to the page of its rule where there is one to go to."""
        painted = self.paint(finding.code, style)
        if not self.paint.enabled:
            return painted
        from porter.report.address import of_rule

        return self.paint.link(painted, of_rule(finding.name))

    def file(self, path: str) -> Excerpts:
        """A file to quote from; without lines where it cannot be read any more. The last one is kept."""
        if self._last.path != path:
            self._last = Excerpts(path, self._read(path))
        return self._last

    def disk(self, path: str) -> Disk:
        """A file's places as they lie on disk. The last one is kept."""
        if self._disk is None or self._disk.path != path:
            from porter.report.disk import Disk  # not at the top: formats for people do without

            self._disk = Disk(path, self.file(path).raw)
        return self._disk

    def published(self, path: str) -> str:
        """``path`` as a platform knows it: from the top of the repository, with ``/``; as it is if outside."""
        inside = os.path.relpath(path, self._top)
        return path if inside.startswith("..") else inside.replace(os.sep, "/")

    @cached_property
    def _top(self) -> Path:
        """The repository that porter runs in, or the working directory."""
        here = Path.cwd()
        return next((folder for folder in (here, *here.parents) if os.path.lexists(folder / ".git")), here)

    def _read(self, path: str) -> bytes:
        if path in self._contents:
            return self._contents[path]
        try:
            return read_regular(path)
        except OSError:
            return b""
