"""Requirements in manifests that are data: pyproject.toml, Pipfile and conda's environment.yml."""

from __future__ import annotations

from collections.abc import Iterator

from porter.index.site import Site
from porter.sources.files.config import item_sites
from porter.sources.files.requirements import channel_at, index_at, pip_line, requirement, requirement_at
from porter.sources.files.toml import read_toml
from porter.sources.files.tree import Item, Path
from porter.sources.files.view import View, Word
from porter.sources.files.yaml import read_yaml

Shape = tuple[str | None, ...]

# Keys whose list holds requirements, and tables whose keys are names. None stands for any one key.
_LISTS: tuple[Shape, ...] = (
    ("build-system", "requires"),
    ("project", "dependencies"),
    ("project", "optional-dependencies", None),
    ("dependency-groups", None),
    ("tool", "uv", "dev-dependencies"),
    ("tool", "uv", "constraint-dependencies"),
    ("tool", "uv", "override-dependencies"),
    ("tool", "pdm", "dev-dependencies", None),
    ("tool", "hatch", "envs", None, "dependencies"),
    ("tool", "hatch", "envs", None, "extra-dependencies"),
)
_TABLES: tuple[Shape, ...] = (
    ("tool", "poetry", "dependencies"),
    ("tool", "poetry", "dev-dependencies"),
    ("tool", "poetry", "group", None, "dependencies"),
    ("packages",),
    ("dev-packages",),
    ("tool", "pixi", "dependencies"),
    ("tool", "pixi", "pypi-dependencies"),
    ("tool", "pixi", "feature", None, "dependencies"),
    ("tool", "pixi", "feature", None, "pypi-dependencies"),
)


def scan_pyproject(view: View) -> Iterator[Site]:
    """pyproject.toml and Pipfile: dependencies of every kind, package indexes, settings of tools."""
    seen: set[Path] = set()
    for item in read_toml(view.text):
        if any(_fits(item.path, shape) for shape in _LISTS):
            yield from requirement_at(view, item.start, item.end, ".".join(item.path))
        elif table := next((t for t in _TABLES if _fits(item.path[: len(t)], t) and len(item.path) > len(t)), None):
            dependency = item.path[: len(table) + 1]
            if dependency not in seen:
                seen.add(dependency)
                yield from _table_entry(view, item, dependency[-1])
        else:
            yield from index_at(view, item.start, item.end)
            yield from item_sites(view, item)


def _fits(path: Path, shape: Shape) -> bool:
    return len(path) == len(shape) and all(want in (key, None) for key, want in zip(path, shape, strict=True))


def _table_entry(view: View, item: Item, name: str) -> Iterator[Site]:
    """A dependency whose name is a key: ``torch = "^2.1"``, ``torch = {version = "^2.1"}``."""
    if word := requirement(f"{name} {item.value}"):
        start = item.key.start
        if item.key.value != name:  # torch = {version = "^2.1"}
            start = max(view.text.rfind("\n", 0, item.start), view.text.rfind(name, 0, item.start))
        end = start + len(name) if view.text.startswith(name, start) else item.end
        scope, detail = ".".join(item.path[: item.path.index(name)]), f"{name} {item.value}"
        yield view.site("requirement", word.value, start, end, scope=scope, detail=detail)


def scan_conda(view: View) -> Iterator[Site]:
    """environment.yml: channels, dependencies, the pip part, variables."""
    for item in read_yaml(view.text):
        key = item.path[-1] if item.path else ""
        word = Word(item.value, item.start, item.end)
        if key == "channels":
            yield from channel_at(view, word)
        elif key == "dependencies":
            yield from requirement_at(view, item.start, item.end)
        elif key == "pip":
            yield from pip_line(view, word, key)
        else:
            yield from item_sites(view, item)
