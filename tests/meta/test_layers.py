"""Dependencies point downwards only: the table is the one in docs/architecture.md, as data."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import porter

ROOT = Path(porter.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))

# From the bottom to the top. A module belongs to the longest prefix that fits it.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("porter", "porter.model", "porter.index.site", "porter.catalog.schema"),
    ("porter.catalog", "porter.targets", "porter.config"),
    ("porter.sources",),
    ("porter.index",),
    ("porter.rules.base",),
    (
        "porter.rewrite.calls",
        "porter.rewrite.commas",
        "porter.rewrite.lines",
        "porter.rewrite.requirements",
    ),  # for rules
    ("porter.rules",),
    ("porter.rewrite",),
    ("porter.borrowed", "porter.cache", "porter.engine", "porter.findings", "porter.judge", "porter.report"),
    ("porter.api", "porter.gate", "porter.launch", "porter.lsp", "porter.verify"),
    ("porter.cli", "porter.__main__"),
)
HEIGHT = {prefix: height for height, layer in enumerate(LAYERS) for prefix in layer}
MAX_BYTES = 24 * 1024


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part_of(module: str) -> str:
    return max((p for p in HEIGHT if module == p or module.startswith(p + ".")), key=len)


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """Every import that a file may run, as line and module: also within functions, not under TYPE_CHECKING."""
    tree = ast.parse(path.read_bytes())
    types = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    unused = {inner for guard in types for inner in ast.walk(guard)}
    for node in ast.walk(tree):
        if node in unused:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                is_module = any(name_of(m) == inner for m in MODULES)
                yield node.lineno, inner if is_module else node.module


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_downwards(path: Path) -> None:
    part = part_of(name_of(path))
    upwards = [
        f"{path}:{line}: {part} (layer {HEIGHT[part]}) imports {module} (layer {HEIGHT[part_of(module)]})"
        for line, module in imports_of(path)
        if module.partition(".")[0] == "porter" and module != "porter" and HEIGHT[part_of(module)] > HEIGHT[part]
    ]
    assert not upwards, "\n".join(upwards)


def test_modules_are_small() -> None:
    large = {name_of(path): path.stat().st_size for path in MODULES if path.stat().st_size > MAX_BYTES}
    assert not large
