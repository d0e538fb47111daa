"""The rules: one file each, one folder per family. Importing this package registers nothing; see `load`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from pkgutil import walk_packages
from types import MappingProxyType

from porter.rules import base


@lru_cache(maxsize=1)
def load() -> Mapping[str, base.Rule]:
    """All rules by name, in the order of their codes. Imports every rule module once."""
    for module in walk_packages(__path__, __name__ + "."):
        import_module(module.name)
    ordered = sorted(base._registry.values(), key=lambda r: r.code)
    return MappingProxyType({r.name: r for r in ordered})
