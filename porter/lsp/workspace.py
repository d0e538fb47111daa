"""The folders of the client's workspace, and which settings hold where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from porter.config import ConfigError, Settings, load
from porter.lsp.folder import Folder

OPTIONS = "config"  # a key of the client's options that is no setting: the file to read


class Workspace:
    """Which folder a file belongs to: the one that configures porter for it, else that of the workspace."""

    def __init__(self) -> None:
        self.roots: list[Path] = []
        self._options: dict[str, Any] = {}
        self._folders: dict[Path, Folder] = {}
        self._places: dict[Path, tuple[Path, Settings]] = {}  # by the folder of a file

    @property
    def folders(self) -> Iterable[Folder]:
        """Those that have open files, or had."""
        return tuple(self._folders.values())

    def forget(self) -> None:
        """Settings or roots have changed: begin anew."""
        self._folders.clear()
        self._places.clear()

    def configure(self, options: object) -> None:
        """Take the client's options: keys of ``[tool.porter]``, which come before those of the file; or none at all."""
        self._options = dict(options) if isinstance(options, Mapping) else {}
        self.forget()

    def folder(self, path: Path) -> Folder:
        """The folder that a file belongs to. Raises ConfigError."""
        above = path.parent
        if above not in self._places:
            self._places[above] = self._place(above)
        place, settings = self._places[above]
        if place not in self._folders:
            self._folders[place] = Folder(place, settings)
        return self._folders[place]

    def shared(self, folder: Folder) -> bool:
        """Whether the user has opened the folder, and not just a file in it: only then it is to be surveyed."""
        return any(folder.path == root or root in folder.path.parents for root in self.roots)

    def _place(self, above: Path) -> tuple[Path, Settings]:
        options = dict(self._options)
        config = options.pop(OPTIONS, None)
        try:
            settings = load(above, config and Path(self._root(above) or above) / config, overrides=options)
        except TypeError as error:  # a value that is no list, where one is to be extended
            raise ConfigError(f"options of the editor: {error}") from error
        root = self._root(above)
        if root is None:
            return above, settings
        configured = Path(settings.root)
        if configured == root or root in configured.parents:
            return configured, settings
        if configured == Path.cwd():  # as no file has set it: this is where the server happens to run
            cache = root / Path(settings.cache_dir).name
            settings = msgspec.structs.replace(settings, root=str(root), cache_dir=str(cache))
        return root, settings

    def _root(self, above: Path) -> Path | None:
        """The innermost folder of the workspace that holds a folder."""
        around = [root for root in self.roots if root == above or root in above.parents]
        return max(around, key=lambda root: len(root.parts), default=None)
