"""Runs the user's code in a process of its own: ``python worker.py JOB.json`` leaves ``answer.json`` with its results.

Needs the standard library and torch, nothing else: not even an installed porter. Whatever the code prints has nothing
to do with the answer.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

PORTER = Path(__file__).resolve().parents[1]
LONGEST_LINE = 400  # of an exception: PyTorch's list of dispatch keys is of no help


def main(arguments: list[str]) -> int:
    """Do the job whose file is named, and write the answer."""
    job = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    sys.path[0] = job["root"]  # in place of the folder of this file
    _adopt_porter()
    from porter.verify.errors import Unavailable

    try:
        answer = {"status": "ok", **JOBS[job["kind"]](job)}
    except Unavailable as error:
        answer = {"status": "unavailable", "reason": str(error)}
    except BaseException as error:  # also the user's SystemExit: there is an answer to everything
        answer = {"status": "error", "reason": _first_line(error), "traceback": users_traceback(error)}
    (Path(job["out"]) / "answer.json").write_text(json.dumps(answer), encoding="utf-8")
    return 0


def _adopt_porter() -> None:
    """Make ``porter`` importable from where this file lies, without what else is installed there."""
    if importlib.util.find_spec("porter") is None or "porter" not in sys.modules:
        sys.modules["porter"] = _load("porter", PORTER / "__init__.py", [str(PORTER)])


def _load(name: str, file: Path, search: list[str] | None = None) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=search)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def describe(job: dict[str, Any]) -> dict[str, Any]:
    """``CASES``, ``ORIGINAL`` and ``PORT`` of a file of cases, as JSON has it: a factory is the name of the file."""
    file = Path(job["file"])
    module = _load(file.stem, file)
    cases = getattr(module, "CASES", None)
    if not isinstance(cases, dict):
        raise TypeError(f"{file.name} has no dictionary `CASES`")
    tables = {}
    for name, case in cases.items():
        if not isinstance(case, dict):
            raise TypeError(f"CASES[{name!r}] is no dictionary of settings")
        tables[str(name)] = {key: file.name if callable(value) else value for key, value in case.items()}
    try:
        json.dumps(tables)
    except TypeError as error:
        raise TypeError(f"CASES holds a setting that is neither text, number, list nor dictionary: {error}") from None
    return {"cases": tables, "original": getattr(module, "ORIGINAL", None), "port": getattr(module, "PORT", None)}


def find_factory(job: dict[str, Any]) -> Callable[[str], Any]:
    """The function that ``file.py:function``, or the case in ``file.py``, names."""
    name, _, function = job["factory"].partition(":")
    file = Path(job["folder"]) / name
    module = _load(file.stem, file)
    found = getattr(module, function, None) if function else module.CASES[job["case"]]["factory"]
    if isinstance(found, str):
        return find_factory({**job, "factory": found})
    if not callable(found):
        raise TypeError(f"{job['factory']} is no function")
    factory: Callable[[str], Any] = found
    return factory


def train(job: dict[str, Any]) -> dict[str, Any]:
    """Run a case that a factory makes, and record what it computes."""
    from porter.verify.devices import open_device
    from porter.verify.training import record

    device = open_device(job["backend"])
    return record(job, device, lambda: find_factory(job)(device.name))


def probe(job: dict[str, Any]) -> dict[str, Any]:
    """Whether a backend is there, and what it is."""
    from porter.verify.devices import open_device

    return {"place": open_device(job["backend"]).place()}


JOBS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {"describe": describe, "train": train, "probe": probe}


def _first_line(error: BaseException) -> str:
    message = str(error).strip()
    return (type(error).__name__ + (f": {message.splitlines()[0]}" if message else ""))[:LONGEST_LINE]


def users_traceback(error: BaseException) -> str:
    """The traceback of an exception, and of its causes, without the frames of porter itself."""
    shown = traceback.TracebackException.from_exception(error)
    links: list[traceback.TracebackException | None] = [shown]
    while links:
        link = links.pop()
        if link is not None:
            link.stack = traceback.StackSummary.from_list([f for f in link.stack if not _is_ours(f.filename)])
            links += [link.__cause__, link.__context__]
    lines = (line for piece in shown.format() for line in piece.splitlines())
    return "\n".join(line[:LONGEST_LINE] for line in lines)


def _is_ours(filename: str) -> bool:
    return filename.startswith("<frozen importlib") or PORTER in Path(filename).resolve().parents


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
