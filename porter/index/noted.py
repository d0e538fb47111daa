"""What the sites of all files say together, gathered in one walk: they are too many to be kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from porter.index.site import Site

EXTENSION = "torch.utils.cpp_extension.CUDAExtension"
_CHOICE = "CUDA_VISIBLE_DEVICES"
_SETTERS = (".setdefault()`", ".putenv()`", ".update()`")


class Noted:
    """Imports, extensions and the choice of a GPU, wherever they stand."""

    def __init__(self, files: Iterable[tuple[str, Iterable[Site]]], is_own: Callable[[str], bool]) -> None:
        """``files`` are paths and sites; ``is_own`` tells names of the repository."""
        # Imports that have a row of the catalogue, by top-level module: path of the file, and the site.
        self.imports: dict[str, list[tuple[str, Site]]] = {}
        # The modules that the repository builds from CUDA C++, by the name that programs import.
        self.extensions: set[str] = set()
        # Where the program chooses among its GPUs by a variable that it sets as it runs: a site by path of its file.
        self.late_choices: dict[str, Site] = {}
        for path, sites in files:
            for site in sites:
                if site.role == "import" and not is_own(site.name):
                    self.imports.setdefault(site.name.partition(".")[0], []).append((path, site))
                elif site.name == EXTENSION and site.call is not None:
                    name = site.call.get("name", 0)
                    if name is not None and isinstance(name.literal, str):
                        self.extensions.add(name.literal)
                elif path not in self.late_choices and site.scope and chooses(site):
                    self.late_choices[path] = site


def chooses(site: Site) -> bool:
    """Whether a statement sets the variable by which CUDA's devices are chosen."""
    is_set = site.parent == "Target" or site.detail.endswith(_SETTERS)
    return site.kind == "environment" and site.name == _CHOICE and is_set
