"""Requirements that only CUDA machines can install or use: `flash-attn`, `nvidia-*`, `torch==2.5.1+cu121`, indexes.

## What CUDA does

PyTorch has one build for every CUDA version, told apart by a local version or by the package index; kernels and
libraries come as packages of their own, many of which compile with `nvcc` while they are installed.

## On Neuron

`torch-neuronx`, `neuronx-cc` and `nki` come from `https://pip.repos.neuron.amazonaws.com`, torch from its CPU index.
Their namesakes on PyPI are stubs that say "WRONG PACKAGE", so that porter writes them only where it can write the index
beside them: in requirements files, conda's `pip` list and commands of pip. A requirements file that setuptools reads
(`setup.py`, a dynamic field of `pyproject.toml`) has no room for one: pip has to be told the index.

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

import msgspec

from porter.catalog.schema import Row
from porter.index.build import module_name
from porter.index.outline import Span
from porter.index.site import Site
from porter.model import Verdict
from porter.rewrite import lines
from porter.rewrite.requirements import written
from porter.rules.base import Context, Dismissed, Edits, Judgement, TextEdit, rule
from porter.rules.environment.alternatives import elsewhere
from porter.rules.environment.write import write
from porter.rules.packages.readers import reader
from porter.rules.packages.releases import marker_of, on_linux, pinned, reaches, shuts_out
from porter.rules.table import by_hand, judgement
from porter.sources.files.commands import IN_FOLDER

_BUILDS = frozenset(["torch", "torchvision", "torchaudio", "torchcodec"])
_FRAMEWORKS = frozenset(["accelerate", "transformers"])  # of any release that knows the target
_INDEX = "https://download.pytorch.org/whl/cu"
_OTHER_INDEX = re.compile(rb"download\.pytorch\.org/whl/(?:\w+/)?(?:cpu|xpu|rocm)")
_NAME = re.compile(rb"[\w.-]+(?:\[[\w,.-]*\])?")
# Keys under which requirements stand that are installed on request only.
_EXTRA = re.compile(
    r"project\.optional-dependencies\.|dependency-groups\.|options\.extras_require\."
    r"|tool\.(?:poetry\.(?:group|dev-)|pdm\.dev-|hatch\.envs|pixi\.feature|uv\.dev-)|dev-packages"
)
# Extras for one kind of machine, or for who works on the program; others bring torch to whoever runs it.
_APART = re.compile(r"gpu|cuda|cu\d|nvidia|cpu|rocm|xpu|mps|dev|test|doc|lint|bench|ci\b")
_AFFIXES = re.compile(r"^(?:nvidia-|lib)|-(?:cu\d+|dev|python|toolkit|runtime|drivers?)\b.*$")
_CONDA = re.compile(rb"\b(?:conda|mamba|micromamba)[\"']?\s")
_PIP = re.compile(rb"\bpip[\d.]*[\"']?\s")
_PYTHON = re.compile(rb"^[ \t]*-[ \t]*[\"']?python[ \t]*={1,2}[ \t]*3\.(\d+)", re.MULTILINE)
_NOTHING = ("False", "None")  # of an argument: what asks for nothing
_OLDEST = 10  # of Python 3, that a release of torch which the target has is built for


@rule("PRT702", "cuda-requirement")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge builds of PyTorch by their release and index, and all others by the catalogue and who imports them."""
    name, _, build = site.name.partition("+")
    is_build = name in _BUILDS
    if is_build and not build and not _wanted(site, name, ctx):
        return Dismissed(site, "agnostic")
    _, knows, first = ctx.answer(row).replacement.partition(f"{name}>=")
    if row.name in _FRAMEWORKS and (not knows or reaches(site.detail, first)):
        return Dismissed(site, "agnostic")
    if any(map(ctx.project.is_own, row.imports)):
        return Dismissed(site, "own")
    if (why := _on_request(site, ctx)) is not None:
        message = _release(site, name, build, ctx) if is_build else ""
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE, message=message, advice=why)
    if is_build and (why := _for_setuptools(name, ctx)):
        return by_hand(site, row, ctx, why, message=_release(site, name, build, ctx))
    if is_build:
        result = write(site, row, ctx, _torch if name == "torch" else _unpinned, _release(site, name, build, ctx))
        return _to_know(result, ctx) if name == "torch" and isinstance(result, Judgement) else result
    if site.name.startswith("https://"):
        return write(site, row, ctx, _index)
    if row.name in _FRAMEWORKS:
        message = f"`{site.detail}` keeps out the releases that know {ctx.target.title}: {first} and newer"
        return judgement(site, row, ctx, message=message)
    why = _importer(row, ctx) or (ctx.once(_mentioned, site.name) if site.statement else "") or _conda_torch(site, ctx)
    why = why or (
        "it is made from its sources here: leave out what fetches them, too" if site.detail in IN_FOLDER else ""
    )
    result = write(site, row, ctx, _renamed, why=why)
    return msgspec.structs.replace(result, group=_environment(site, ctx)) if isinstance(result, Judgement) else result


def _on_request(site: Site, ctx: Context) -> str | None:
    """Why a requirement does not concern a machine with the device: nobody installs it there without asking for it."""
    if not on_linux(site.detail):
        return "only on systems that the device is not for"
    if _EXTRA.match(site.scope) and (site.name not in _BUILDS or _APART.search(site.scope)):
        return "an extra: nobody installs it without asking for it"
    words = re.split(r"[-_.]", ctx.source.path.rpartition("/")[2].lower())[:-1]
    is_package = site.statement is None and not site.name.startswith(("torch", "https:", "channel "))
    if is_package and any(len(word) > 3 and word in site.name for word in words):
        return "the file is named after it: nobody installs it without asking for it"
    return None


def _wanted(site: Site, name: str, ctx: Context) -> bool:
    """Whether a build that does not say CUDA has to change: by its release, or as the index has builds for CUDA."""
    if "+" in site.detail or elsewhere(ctx) is not None:  # torch==2.6.0+cpu
        return False
    start, end = _span(site)
    if _OTHER_INDEX.search(ctx.source.shown[start:end]):
        return False
    if name == "torch":
        return shuts_out(site.detail, ctx.target.torch) or (_has_room(site, ctx) and bool(_beside(site, ctx, _INDEX)))
    if ctx.target.name == "portable" or not pinned(site.detail):
        return False
    return any("+" in s.name or _wanted(s, "torch", ctx) for s in ctx.sites if _is_torch(s))


def _release(site: Site, name: str, build: str, ctx: Context) -> str:
    """What is wrong with a build that does not say CUDA."""
    if build:
        return ""
    if name == "torch" and shuts_out(site.detail, ctx.target.torch):
        return f"`{site.detail}` keeps out the releases that run there: {', '.join(ctx.target.torch)}"
    return (
        f"`{site.detail}` comes from an index of CUDA builds" if name == "torch" else f"`{site.detail}` goes with torch"
    )


def _for_setuptools(name: str, ctx: Context) -> str:
    """Why a build of PyTorch stays where setuptools reads the file: the vendor's packages need an index there."""
    torch = next(filter(_is_torch, ctx.sites), None)
    found = reader(ctx) if torch is not None and _indexes(torch, ctx) else None
    if found is None:
        return ""
    if name != "torch":
        return f"it goes with torch, which stays: `{found}` hands this file to setuptools"
    return f"`{found}` hands this file to setuptools, which takes no indexes: name them where pip is called"


def _to_know(result: Judgement, ctx: Context) -> Judgement:
    """The judgement of torch, with a Python that is too old for it."""
    found = _PYTHON.search(ctx.source.shown) if ctx.source.kind == "conda" else None
    if found is None or int(found[1]) >= _OLDEST:
        return result
    line = ctx.source.line(found.start(1))
    why = f"Line {line} asks for Python 3.{found[1].decode()}: these releases need 3.{_OLDEST} or newer."
    return msgspec.structs.replace(result, advice=f"{result.advice} {why}")


def _beside(site: Site, ctx: Context, name: str) -> list[Site]:
    """What is required by the same command, or by the same file."""
    alike = (s for s in ctx.where("statement", site.statement) if s.kind == "requirement")
    return [s for s in alike if s.name.startswith(name)]


def _is_torch(site: Site) -> bool:
    return site.kind == "requirement" and site.name.partition("+")[0] == "torch"


def _has_room(site: Site, ctx: Context) -> bool:
    """Whether the vendor's index can be named beside the requirement, and the target has one."""
    return ctx.target.name != "portable" and (
        site.statement is not None or ctx.source.kind in ("requirements", "conda")
    )


def _torch(site: Site, packages: str, ctx: Context) -> Edits | None:
    """Write the vendor's packages, and their indexes if no other line does."""
    return _written(site, packages.split(), _indexes(site, ctx), ctx, marker_of(site.detail))


def _indexes(site: Site, ctx: Context) -> list[str]:
    """The vendor's indexes, where this is the first build of its command or file, and no other line names them."""
    row = ctx.catalogue.find("requirement", _INDEX)
    indexes = ctx.answer(row).replacement.split() if row is not None else []
    builds = [s for s in _beside(site, ctx, "torch") if s.name.partition("+")[0] in _BUILDS]
    first = next(filter(_is_torch, builds), builds[0])
    return [] if first != site or _beside(site, ctx, _INDEX) or _has(site, indexes, ctx) else indexes


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
    if not _has_room(site, ctx):
        return None
    if statement is None:
        return written(text, site.start, site.end, packages, indexes, command=False, marker=marker)
    if statement.kind == "List" or not _PIP.search(text[statement.start : statement.end]):
        return None
    return written(text, site.start, site.end, packages, indexes, command=True)


def _has(site: Site, indexes: list[str], ctx: Context) -> bool:
    """Whether the command, or the file, names the vendor's index already."""
    start, end = _span(site)
    return bool(indexes) and indexes[0].encode() in ctx.source.shown[start:end]


def _span(site: Site) -> tuple[int, int | None]:
    """Where the requirement's command stands, or its file."""
    return (site.statement.start, site.statement.end) if site.statement is not None else (0, None)


def _unpinned(site: Site, _: str, ctx: Context) -> Edits | None:
    """Leave the release to the installer: each goes with one of torch."""
    indexes = _indexes(site, ctx) if site.statement is not None else []
    return _written(site, [site.name.partition("+")[0]], indexes, ctx, marker_of(site.detail))


def _renamed(site: Site, new: str, ctx: Context) -> Edits | None:
    """Write another name, whatever the version."""
    text = ctx.source.shown
    start = site.start + (text[site.start : site.start + 1] in (b'"', b"'"))
    name = _NAME.match(text, start, site.end)
    return (TextEdit(start, name.end(), new),) if name is not None else None


def _environment(site: Site, ctx: Context) -> str | None:
    """The name of what is solved as a whole: an environment of conda, whose channels and packages belong together."""
    text, statement = ctx.source.shown, site.statement
    if statement is not None:
        return f"conda {statement.start}" if _CONDA.search(text[statement.start : statement.end]) else None
    return "conda" if ctx.source.kind == "conda" and site.scope != "pip" else None


def _conda_torch(site: Site, ctx: Context) -> str:
    """What conda installs from a channel of NVIDIA's: without the channel it is PyTorch still, and not Neuron's."""
    alike = (s for s in ctx.where("name", "pytorch") if s.kind == "requirement" and s.statement == site.statement)
    if not site.name.startswith("channel ") or not any(alike):
        return ""
    return "conda has no Neuron packages: leave its `pytorch` out, and have pip install torch-neuronx"


def _mentioned(ctx: Context, name: str) -> str:
    """What else in a script speaks of what a command installs, and would not find it."""
    word = _AFFIXES.sub("", name)
    text = ctx.source.shown
    spelled = re.escape(word).replace(r"\-", "[-_]").encode()
    for match in re.finditer(rb"^(?![ \t]*#)[^\n]*?\b" + spelled + rb"\b", text, re.MULTILINE | re.IGNORECASE):
        if not any(s.kind == "requirement" for s in ctx.nesting.around(Span(match.end(), match.end()))):
            return f"line {ctx.source.line(match.end())} speaks of `{word}`, too: change both together"
    return ""


def _importer(row: Row, ctx: Context) -> str:
    """What cannot do without the package: a file with kernels of it before others, and how many more there are."""
    imports = [found for module in row.imports for found in ctx.project.noted.imports.get(module, ())]
    needed = {path: s for path, s in reversed(imports) if not any(guard.kind == "import" for guard in s.guards)}
    verb = "import" if needed else "load"
    needed = needed or _loading(row, ctx)
    if not needed:
        return ""
    path = min(sorted(needed), key=lambda path: not _has_kernel(path, row, ctx))
    where = f"line {needed[path].line} of `{path}`"
    if len(needed) == 1:
        return f"{where} {verb}s it: port that first, and delete this with it"
    return f"{where} and {len(needed) - 1} more {verb} it: port those first, and delete this with them"


def _loading(row: Row, ctx: Context) -> dict[str, Site]:
    """What has a framework import the package, by file: ``load_in_8bit=True``."""
    found = ctx.project.standing(row.loaded_by) if row.loaded_by else []
    return {path: s for path, s in reversed(found) if s.role != "import" and s.detail not in _NOTHING}


def _has_kernel(path: str, row: Row, ctx: Context) -> bool:
    """Whether a file defines kernels by the package: ``@triton.jit``."""
    found = ctx.project.sites(module_name(path))
    return any(site.role == "decorator" and site.name.partition(".")[0] in row.imports for site in found)
