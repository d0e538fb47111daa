"""Packages that exist for CUDA only.

## What CUDA does

They ship CUDA kernels, or talk to NVIDIA's driver. Extensions that a repository builds for itself carry the word in
their names: `selective_scan_cuda`.

## On Neuron

No builds. Each row of the catalogue says what people use instead; an import that may fail (`try ... except
ImportError`) does no harm. A package is reported where it is imported; its parts only where something takes the place
of that very part. So is what a configuration names for the program to import (`_target_`, `_component_`, `class_path`).

## Example

```py
import apex
```

is reported; inside `try`/`except ImportError` it is fine as it is.
"""

from __future__ import annotations

import re

from porter.catalog.schema import Row
from porter.index.facts import PYTHON
from porter.index.outline import dotted
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.counterpart import judge_counterpart
from porter.rules.environment.write import instead
from porter.rules.kernels.known import KERNELS, STAYS
from porter.rules.table import judgement

_REQUIRED = re.compile(r"requires?_(\w+)$")  # a decorator of tests that need a package: `@require_bitsandbytes`
_SHORT = {"bnb": "bitsandbytes"}
_MAIN = re.compile(rb"^if __name__ == [\"']__main__[\"']", re.M)
# What speaks of a device, or leaves it to a framework: without it a program computes on the CPU.
_PLACED = re.compile(rb"(?i)device|cuda|gpu|\.to\((?!torch\.\w+\))|trainer|lightning|accelerat|fabric")


@rule("PRT701", "cuda-only-package")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue; a compiled extension that no row names, by its import."""
    if ctx.source.kind not in PYTHON:
        return instead(site, row, ctx)
    root = site.name.partition(".")[0]
    if not row.name.startswith("*"):
        if site.role == "annotation" and site.name.endswith("Config"):
            return Dismissed(site, "part")
        if site.role == "import" and site.name.endswith("Config") and not _made(site, ctx):
            note = "the class can be imported anywhere: it is named here, and made elsewhere"
            return judgement(site, row, ctx, verdict=Verdict.PORTABLE, advice=note)
        if site.kind == "string" and site.parent == "Compare":
            return judgement(site, row, ctx, advice="a question, whose answer is no without CUDA: see where it leads")
        if row.on_cpu and site.role == "import" and (why := _harmless(root, ctx)):
            return judgement(site, row, ctx, verdict=Verdict.PORTABLE, advice=f"left as it is: {why}", note=None)
        if (package := _tested(site, ctx)) is not None:
            advice = f"a test of `{package}`: there is nothing to test on {ctx.target.title}"
            return judgement(site, row, ctx, advice=advice, note=None)
        return judge_counterpart(site, row, ctx)
    if ctx.project.has(ctx.project.resolve(root, ctx.module)):
        return Dismissed(site, "user-name")
    return judgement(site, row, ctx) if site.role == "import" else Dismissed(site, "part")


def _harmless(package: str, ctx: Context) -> str | None:
    """Why a package that runs without CUDA too does no harm, if so: nothing is computed with it, or on the CPU."""
    used = [s for s in ctx.sites if s.name.partition(".")[0] == package and s.name != package]
    if used and all(s.name == f"{package}.__version__" for s in used):
        return "nothing but its version is read"
    text, summary = ctx.source.text, ctx.project.bindings(ctx.module)
    if summary is None or _MAIN.search(text) is None or _PLACED.search(text) is not None:
        return None
    owners = {ctx.project.owner(ctx.project.resolve(name, ctx.module)) for name in summary.required}
    return (
        None
        if any(map(ctx.project.sites, owners - {""}))
        else "the file uses no device, and on the CPU the package runs"
    )


def _tested(site: Site, ctx: Context) -> str | None:
    """The package without which the test around a site does not run, if the target has none of it."""
    if ctx.target.keeps_cuda or not ctx.in_test():
        return None
    gates = (gate for node in ctx.outline().around(site.start) for gate in getattr(node, "decorator_list", ()))
    required = (found[1] for gate in gates if (found := _REQUIRED.search(dotted(gate) or "")) is not None)
    for package in (_SHORT.get(word, word) for word in required):
        row = ctx.catalogue.find("symbol", package)
        if row is not None and row.rule in KERNELS and ctx.answer(row).verdict in STAYS:
            return package
    return None


def _made(site: Site, ctx: Context) -> bool:
    """Whether the file calls what it imports here, by whatever name."""
    line = ctx.source.text[site.start : ctx.source.text.find(b"\n", site.end)]
    local = re.search(rb"\bas\s+(\w+)", line)
    name = local[1] if local is not None else site.name.rpartition(".")[2].encode()
    return re.search(rb"\b" + name + rb"\s*\(", ctx.source.text) is not None
