"""Requirements that only CUDA machines can install or use: `flash-attn`, `nvidia-*`, `torch==2.5.1+cu121`, indexes.

## What CUDA does

PyTorch has one build for every CUDA version, told apart by a local version or by the package index; kernels and
libraries come as packages of their own, many of which compile with `nvcc` while they are installed.

## On Neuron

`torch-neuronx`, `neuronx-cc` and `nki` come from `https://pip.repos.neuron.amazonaws.com`, torch from its CPU index.
Their namesakes on PyPI are stubs that say "WRONG PACKAGE", so that porter writes them only where it can write the index
beside them: in requirements files, conda's `pip` list and commands of pip.

## Example

```text
--extra-index-url https://download.pytorch.org/whl/cu121
torch==2.5.1+cu121
flash-attn==2.7.4
```

becomes

```text
--extra-index-url https://pip.repos.neuron.amazonaws.com
--extra-index-url https://download.pytorch.org/whl/cpu
torch-neuronx==2.14.*
neuronx-cc==2.*
nki
```

if nothing imports `flash_attn` that cannot do without. A release of torch that the target has no build for is replaced,
too; torchvision and torchaudio then lose the version that went with it.

## What to do

Port the code that imports what is left, and delete the line with it. If CUDA machines use the same file, move what only
CUDA needs to an extra or a file of its own, and give Neuron machines theirs.
"""

from __future__ import annotations

import re

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.model import Verdict
from porter.rewrite import lines
from porter.rewrite.requirements import written
from porter.rules.base import Context, Dismissed, Edits, Judgement, TextEdit, rule
from porter.rules.environment.write import write
from porter.rules.packages.releases import marker_of, on_linux, pinned, shuts_out
from porter.rules.table import judgement

_INDEX = "https://download.pytorch.org/whl/cu"
_NAME = re.compile(rb"[\w.-]+(?:\[[\w,.-]*\])?")
_PIP = re.compile(rb"\bpip[\d.]*\s")


@rule("PRT702", "cuda-requirement")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge builds of PyTorch by their release and index, and all others by the catalogue and who imports them."""
    if not on_linux(site.detail):
        note = "only on systems that the device is not for"
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE, advice=note)
    name, _, build = site.name.partition("+")
    if name in ("torch", "torchvision", "torchaudio", "torchcodec"):
        if not build and not _wanted(site, name, ctx):
            return Dismissed(site, "agnostic")
        message = (
            "" if build else f"`{site.detail}` keeps out the releases that run there: {', '.join(ctx.target.torch)}"
        )
        return write(site, row, ctx, _torch if name == "torch" else _unpinned, message)
    if site.name.startswith("https://"):
        return write(site, row, ctx, _index)
    return write(site, row, ctx, _renamed, why=_importer(row, ctx))


def _wanted(site: Site, name: str, ctx: Context) -> bool:
    """Whether a build that does not say CUDA has to change: by its release, or as the index has builds for CUDA."""
    if name == "torch":
        return shuts_out(site.detail, ctx.target.torch) or (
            ctx.target.name != "portable" and bool(_beside(site, ctx, _INDEX))
        )
    if ctx.target.name == "portable" or not pinned(site.detail):
        return False
    return any(
        "+" in s.name or _wanted(s, "torch", ctx) for s in _beside(site, ctx, "torch") if s.name[5:6] in ("", "+")
    )


def _beside(site: Site, ctx: Context, name: str) -> list[Site]:
    """What is required by the same command, or by the same file."""
    alike = (s for s in ctx.sites if s.kind == "requirement" and s.statement == site.statement)
    return [s for s in alike if s.name.startswith(name)]


def _torch(site: Site, packages: str, ctx: Context) -> Edits | None:
    """Write the vendor's packages, and their indexes if no other line does."""
    row = ctx.catalogue.find("requirement", _INDEX)
    first = next(s for s in _beside(site, ctx, "torch") if s.name[5:6] in ("", "+"))
    indexes = ctx.answer(row).replacement.split() if row is not None else []
    if first != site or _beside(site, ctx, _INDEX) or _has(site, indexes, ctx):
        indexes = []
    return _written(site, packages.split(), indexes, ctx, marker_of(site.detail))


def _index(site: Site, addresses: str, ctx: Context) -> Edits | None:
    """Write the target's indexes: once, where there are several."""
    first = _beside(site, ctx, _INDEX)[:1] == [site]
    indexes = addresses.split() if first and not _has(site, addresses.split(), ctx) else []
    if indexes:
        return _written(site, [], indexes, ctx)
    if site.statement is not None:
        return lines.drop_word(ctx.source.shown, site.start, site.end)
    return lines.drop_line(ctx.source.shown, site.start, site.end) if ctx.source.kind == "requirements" else None


def _written(site: Site, packages: list[str], indexes: list[str], ctx: Context, marker: str = "") -> Edits | None:
    text, statement = ctx.source.shown, site.statement
    if statement is None:
        known = ctx.source.kind in ("requirements", "conda")
        return written(text, site.start, site.end, packages, indexes, command=False, marker=marker) if known else None
    if statement.kind == "List" or not _PIP.search(text, statement.start, statement.end):
        return None
    return written(text, site.start, site.end, packages, indexes, command=True)


def _has(site: Site, indexes: list[str], ctx: Context) -> bool:
    """Whether the command, or the file, names the vendor's index already."""
    start, end = (site.statement.start, site.statement.end) if site.statement is not None else (0, None)
    return bool(indexes) and indexes[0].encode() in ctx.source.shown[start:end]


def _unpinned(site: Site, _: str, ctx: Context) -> Edits | None:
    """Leave the release to the installer: each goes with one of torch."""
    marker = marker_of(site.detail)
    return _written(site, [site.name.partition("+")[0]], [], ctx, marker)


def _renamed(site: Site, new: str, ctx: Context) -> Edits | None:
    """Write another name, whatever the version."""
    text = ctx.source.shown
    start = site.start + (text[site.start : site.start + 1] in (b'"', b"'"))
    name = _NAME.match(text, start, site.end)
    return (TextEdit(start, name.end(), new),) if name is not None else None


def _importer(row: Row, ctx: Context) -> str:
    """What cannot do without the package: the first file that imports it and has no other way."""
    for module in row.imports:
        for path, site in ctx.project.imports.get(module, ()):
            if not any(guard.kind == "import" for guard in site.guards):
                return f"`{path}` imports it (line {site.line}): port that first, and delete this with it"
    return ""
