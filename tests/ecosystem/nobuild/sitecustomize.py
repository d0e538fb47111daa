"""Python runs this at its start where the folder is on its path: pip asks nothing of a project's own build system.

pip wants the metadata of every source distribution that it fetches. They lie in each, as ``PKG-INFO``; so nothing of a
project runs, and no build tool is needed, only to have its sources.
"""

from __future__ import annotations

import os
import sys
from email.parser import BytesHeaderParser
from pathlib import Path
from types import ModuleType

# How pip tells the process in which it asks, since 24.1 and before.
BACKENDS = ("_PYPROJECT_HOOKS_BUILD_BACKEND", "PEP517_BUILD_BACKEND")


class Backend(ModuleType):
    """Stands in for any build backend, and for the object in it that a project may name."""

    def __getattr__(self, name: str) -> Backend:
        if name == "__legacy__":
            return self
        raise AttributeError(name)

    def get_requires_for_build_wheel(self, config_settings: object = None) -> list[str]:
        """Nothing."""
        return []

    def prepare_metadata_for_build_wheel(self, metadata_directory: str, config_settings: object = None) -> str:
        """Copy the metadata of the source distribution in the working directory."""
        info = Path("PKG-INFO").read_bytes()
        headers = BytesHeaderParser().parsebytes(info)
        folder = Path(metadata_directory, f"{headers['Name'].replace('-', '_')}-{headers['Version']}.dist-info")
        folder.mkdir()
        (folder / "METADATA").write_bytes(info)
        return folder.name


for backend in filter(None, map(os.environ.get, BACKENDS)):
    name = backend.partition(":")[0]
    sys.modules[name] = Backend(name)
