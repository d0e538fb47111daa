"""First on PYTHONPATH of a command that is verified: every Python process that it starts gets its device here.

``PORTER_VERIFY_STARTUP`` says which: ``sim`` or ``cuda-on-cpu``. An environment's own ``sitecustomize`` is run as well.
"""

import importlib.machinery
import importlib.util
import os
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent


def _adopt_porter() -> None:
    """Make ``porter`` importable from where this file lies, where it is not installed."""
    if importlib.util.find_spec("porter") is None:
        folder = _HERE.parents[1]
        spec = importlib.util.spec_from_file_location(
            "porter", folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        assert spec is not None and spec.loader is not None
        sys.modules["porter"] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)


def _run_shadowed() -> None:
    path = [folder for folder in sys.path if Path(folder).resolve() != _HERE]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", path)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


_run_shadowed()
_adopt_porter()
from porter.verify.devices import open_device  # noqa: E402

open_device(os.environ["PORTER_VERIFY_STARTUP"])
