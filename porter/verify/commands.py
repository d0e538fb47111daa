"""Cases of two commands: run one of them, and make of what it printed and wrote what a worker would have recorded."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from porter.verify.cases import CommandCase
from porter.verify.execute import STARTUP, Failed, environment, run

OWN_PROGRAMS: Mapping[str, Sequence[str]] = {
    "python": (sys.executable,),
    "python3": (sys.executable,),
    "torchrun": (sys.executable, "-m", "torch.distributed.run"),
}
WRITTEN = "written"  # the folder that `{out}` stands for, within that of the results


def execute(
    case: CommandCase, role: str, *, device: str, startup: str, folder: Path, out: Path, variables: Mapping[str, str]
) -> dict[str, Any]:
    """Run the command ``role`` (``original`` or ``port``) of a case in ``folder``; record its results in ``out``.

    ``startup`` is the device that its Python processes get before their own code runs (`startup/sitecustomize.py`).

    Returns:
        What `porter.verify.training.record` returns, but for ``place``.

    Raises:
        Failed: it cannot be started, did not end well or in time, or left something else than what is to be compared.
    """
    written = out / WRITTEN
    written.mkdir(parents=True)
    declared = case.original if role == "original" else case.port
    first, *others = declared
    command = [*OWN_PROGRAMS.get(first, (first,)), *others]
    command = [part.replace("{device}", device).replace("{out}", str(written)) for part in command]
    given = environment(**case.environment, **variables)
    if startup:
        path = filter(None, (str(STARTUP), given.get("PYTHONPATH")))
        given |= {"PORTER_VERIFY_STARTUP": startup, "PYTHONPATH": os.pathsep.join(path)}
    ended = run(command, folder=folder, logs=out, environment=given, timeout=case.timeout)
    if ended.status != 0:
        raise Failed(f"`{' '.join(declared)}`: {ended.why(case.timeout)}\n{ended.tail()}")
    losses = _printed(case, ended.stdout) | _logged(case, written)
    tensors = _saved(case, written)
    if not losses and not tensors:
        raise Failed(f"nothing to compare: no loss in its output, no tensor in its files\n{ended.tail()}")
    _record(tensors, out)
    shutil.rmtree(written)
    return {"state": {}, "inputs": "", "losses": losses, "warnings": [], "counters": {}, "seconds": ended.seconds}


def _record(tensors: Mapping[str, Any], out: Path) -> None:
    from porter.verify.tensors import save
    from porter.verify.training import INITIAL, RESULTS

    save({}, out / INITIAL)
    save({"outputs": dict(tensors), "gradients": {}, "final": {}}, out / RESULTS)


def _printed(case: CommandCase, stdout: Path) -> dict[str, list[float]]:
    """The losses that a regular expression finds in the output."""
    losses: dict[str, list[float]] = {}
    if not case.losses:
        return losses
    text = stdout.read_text(encoding="utf-8", errors="replace")
    for match in re.finditer(case.losses, text):
        for name, value in (match.groupdict() or {"loss": match.group(1)}).items():
            if value is not None:
                losses.setdefault(name, []).append(_number(value, f"`{case.losses}`"))
    if not losses:
        raise Failed(f"`{case.losses}` is nowhere in its output:\n{text[-2000:]}")
    return losses


def _number(value: str, where: str) -> float:
    try:
        return float(value.rstrip(".,;:"))
    except ValueError:
        raise Failed(f"{where} found `{value}`, which is no number") from None


def _logged(case: CommandCase, written: Path) -> dict[str, list[float]]:
    """The numbers in the ``*.jsonl`` files, by name."""
    losses: dict[str, list[float]] = {}
    for name in case.results:
        if name.endswith(".jsonl"):
            for number, line in enumerate(_read(written / name).decode(errors="replace").splitlines(), 1):
                try:
                    record = json.loads(line)
                except ValueError as error:
                    raise Failed(f"{name}:{number}: is not JSON: {error}") from error
                if not isinstance(record, dict):
                    raise Failed(f"{name}:{number}: is not an object")
                for key, value in record.items():
                    if isinstance(value, (int, float)) and not isinstance(value, bool):
                        losses.setdefault(key, []).append(float(value))
    return losses


def _saved(case: CommandCase, written: Path) -> dict[str, Any]:
    """The tensors in the ``*.pt`` files, by file and path."""
    from porter.verify.tensors import load, named

    found: dict[str, Any] = {}
    files = [name for name in case.results if name.endswith(".pt")]
    for name in files:
        _read(written / name)
        try:
            tree = load(written / name)
        except Exception as error:  # of any kind, if the file is broken; an UnpicklingError for what is no plain data
            raise Failed(f"{name} cannot be read as plain tensors: {error}") from error
        prefix = f"{name}: " if len(files) > 1 else ""
        found |= {prefix + path: tensor for path, tensor in named(tree).items()}
    return found


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Failed(f"it has not written `{file.name}` into {{out}}") from error
