"""What a format needs to know beside the findings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from porter.report.excerpt import Excerpts
from porter.report.paint import Paint

if TYPE_CHECKING:
    from porter.config import Settings


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

    def file(self, path: str) -> Excerpts:
        """A file to quote from; without lines where it cannot be read any more. The last one is kept."""
        if self._last.path != path:
            self._last = Excerpts(path, self._read(path))
        return self._last

    def _read(self, path: str) -> bytes:
        if path in self._contents:
            return self._contents[path]
        try:
            return Path(path).read_bytes()
        except OSError:
            return b""
