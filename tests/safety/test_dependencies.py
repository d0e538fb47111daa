"""What porter depends on is declared, bounded, and explained in docs/security.md."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

from packaging.requirements import Requirement

import porter

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TOP = Path(__file__).parents[2]
ROOT = Path(porter.__file__).parent
BROUGHT = {"lsprotocol": "pygls", "functorch": "torch"}  # by what is declared
OTHERS = {"torch_neuronx", "torch_xla"}  # where there is the hardware


def declared() -> dict[str, Requirement]:
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    requirements = map(Requirement, [*project["dependencies"], *extras["lsp"], *extras["verify"]])
    return {requirement.name: requirement for requirement in requirements}


def test_every_dependency_is_explained() -> None:
    page = (TOP / "docs" / "security.md").read_text(encoding="utf-8")
    table = page.partition("## What porter depends on")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| (\w+) \|", table, re.MULTILINE)) - {"package"} == set(declared())


def test_every_dependency_is_bounded() -> None:
    for name, requirement in declared().items():
        assert any(specifier.operator in ("<", "==") for specifier in requirement.specifier), name


def test_nothing_else_is_imported() -> None:
    known = {*declared(), *BROUGHT, *OTHERS, *sys.stdlib_module_names, "porter", "tomllib"}
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert {name.partition(".")[0] for name in names} <= known, path
