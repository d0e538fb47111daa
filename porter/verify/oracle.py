"""The oracle: what the original computes on the CPU, frozen with checksums of everything that it depends on."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

import porter
from porter.config import DEFAULT_EXCLUDE
from porter.verify.cases import CommandCase, FactoryCase, Suite

VERSION = 1  # of the manifest
MANIFEST = "manifest.json"
SOURCES = (".py", ".json", ".yaml", ".yml", ".toml", ".cfg", ".ini", ".sh")  # files that say what a program does
INDEPENDENT = ("tolerance", "backends", "timeout", "port")  # settings that the original's results do not depend on
SHOWN = 5  # differences in a message


class Refused(RuntimeError):
    """What is frozen is not what the original would compute now. The message says what differs."""


def folder_of(suite: Suite, case: FactoryCase | CommandCase) -> Path:
    """Where the oracle of a case is frozen."""
    readable = re.sub(r"[^A-Za-z0-9_.-]+", "-", case.name).strip("-.")
    return suite.oracle / (readable if readable == case.name else f"{readable}-{_sha(case.name.encode())[:8]}")


def expected(suite: Suite, case: FactoryCase | CommandCase) -> dict[str, Any]:
    """The part of a manifest that must be the same for a frozen oracle to be used again."""
    settings = {key: value for key, value in msgspec.to_builtins(case).items() if key not in INDEPENDENT}
    return {
        "version": VERSION,
        "case": settings,
        "sources": dict(sorted(_sources(suite, case))),
        "versions": {
            "python": ".".join(platform.python_version_tuple()[:2]),
            "torch": importlib.metadata.version("torch"),
        },
    }


def freeze(folder: Path, header: Mapping[str, Any], compute: Callable[[Path], Mapping[str, Any]]) -> dict[str, Any]:
    """Let ``compute`` fill a folder, and keep it with a manifest; what was frozen before is replaced only then.

    Returns:
        The manifest.
    """
    fresh = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        answer = dict(compute(fresh))
        files = {file.name: _sha(file.read_bytes()) for file in sorted(fresh.glob("*.pt"))}
        manifest = {**header, "frozen_by": f"porter {porter.__version__}", "answer": answer, "files": files}
        manifest["seal"] = _seal(manifest)
        for file in fresh.iterdir():
            if file.name not in files:
                file.unlink()
        (fresh / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return manifest


def thaw(folder: Path, header: Mapping[str, Any]) -> dict[str, Any] | None:
    """The manifest of a frozen oracle; None where nothing is frozen.

    Raises:
        Refused: it was frozen under other circumstances than ``header``, or is not as it was frozen.
    """
    try:
        text = (folder / MANIFEST).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        manifest: dict[str, Any] = json.loads(text)
        differences = list(_differences(folder, manifest, json.loads(json.dumps(header))))
    except (ValueError, TypeError, AttributeError, KeyError):
        differences = [f"{MANIFEST} is not one"]
    if differences:
        more = f" and {len(differences) - SHOWN} more" if len(differences) > SHOWN else ""
        what = "; ".join(differences[:SHOWN]) + more
        raise Refused(f"the oracle in {folder} is not to be used: {what}. `--refreeze` computes it anew")
    return manifest


def _differences(folder: Path, manifest: Mapping[str, Any], header: Mapping[str, Any]) -> Iterator[str]:
    if manifest.get("version") != VERSION:
        yield f"its manifest has version {manifest.get('version')}, not {VERSION}"
        return
    if manifest.get("seal") != _seal(manifest):
        yield f"{MANIFEST} was changed after freezing"
    for name, checksum in manifest["files"].items():
        file = folder / name
        if not file.is_file():
            yield f"{name} is missing"
        elif _sha(file.read_bytes()) != checksum:
            yield f"{name} was changed after freezing"
    for part, title in (("case", "setting"), ("sources", "source"), ("versions", "version of")):
        then, now = manifest[part], header[part]
        for key in sorted(then.keys() | now.keys()):
            if then.get(key) != now.get(key):
                yield f"{title} `{key}` {_change(then.get(key), now.get(key), show=part != 'sources')}"


def _change(then: Any, now: Any, *, show: bool) -> str:
    if then is None or now is None:
        return "is new" if then is None else "is gone"
    return f"was {then}, is {now}" if show else "has changed"


def _sources(suite: Suite, case: FactoryCase | CommandCase) -> Iterator[tuple[str, str]]:
    """Checksums by path, relative to the suite's folder, of the original's sources and of the case's file."""
    skipped = {suite.oracle, *({suite.port} if suite.port != suite.original else ())}
    for folder, folders, files in os.walk(suite.original):
        here = Path(folder)
        folders[:] = sorted(f for f in folders if f not in DEFAULT_EXCLUDE and here / f not in skipped)
        for file in files:
            if file.endswith(SOURCES):
                yield _relative(here / file, suite.root), _sha((here / file).read_bytes())
    if isinstance(case, FactoryCase):
        file_of_case = suite.root / case.factory.partition(":")[0]
        yield _relative(file_of_case, suite.root), _sha(file_of_case.read_bytes())


def _relative(path: Path, root: Path) -> str:
    return os.path.relpath(path, root).replace(os.sep, "/")


def _seal(manifest: Mapping[str, Any]) -> str:
    content = {key: value for key, value in manifest.items() if key != "seal"}
    return _sha(json.dumps(content, sort_keys=True).encode())


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
