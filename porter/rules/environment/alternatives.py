"""Files that are not the program's own way to run: those of CUDA by their name, of CI services, and made by tools."""

from __future__ import annotations

import re

from porter.index.site import Site
from porter.rules.base import Context
from porter.rules.environment.conditions import chooses_device
from porter.sources.files.commands import IN_FOLDER

_WORDS = r"(?:^|[/_.-])({})(?=[/_.-]|$)"
_CUDA = re.compile(
    _WORDS.format(r"cuda\d*|cu\d{2,3}|n?gpus?|multi_?gpu|nvidia|nccl|tensorrt|trt|trtllm|[abhv][12]00"), re.I
)
_DEVICE = re.compile(_WORDS.format(r"neuron|neuronx|trn\d?|trainium|inf2"), re.I)
_OTHER = re.compile(_WORDS.format(r"cpu|rocm|hip|amd|intel|xpu|npu|ascend|tpu|xla|mps|hpu|gaudi|habana|musa|mlu"), re.I)
_OFFLOADED = re.compile(r"cpu[_-]?offload|offload[_-]?cpu", re.I)  # what a GPU's program does with its weights
_SERVICE = re.compile(
    r"(?:^|/)(?:\.github|\.circleci|\.buildkite|\.gitlab|\.azure[\w-]*)/"
    r"|(?:^|/)(?:\.gitlab-ci|\.travis|azure-pipelines|cloudbuild|buildspec)[\w-]*\.ya?ml$"
)
_MADE = re.compile(rb"#[^\n]{0,80}(?:auto-?generated|generated (?:by|with|from)|DO NOT EDIT)", re.I)
_CONSTRAINTS = re.compile(_WORDS.format("constraints?"), re.I)
_DOCUMENTATION = re.compile(_WORDS.format("docs?|documentation|readthedocs|rtd"), re.I)
_HASHED = re.compile(rb"--hash=\w+:")
_INSTALL = re.compile(rb"\b(?:apt|apt-get|dnf|yum)\s(?:[^\n\\]|\\\r?\n|\\.)*")
_PYTHON = re.compile(rb"\bpython(?:3\.(?!14\b)\d|\$\{?\w)")  # another than the image's, py314
_CONDA = re.compile(
    rb"^(?![ \t]*#)[^\n]*?\b(?:(?:Mini(?:conda|forge)|Mambaforge|Anaconda)[\w.$-]*\.sh\b"
    rb"|(?:conda|mamba)[ \t]+(?:create|env[ \t]+(?:create|update))\b)",
    re.M,
)
_LIST = re.compile(rb"^(?![ \t]*#)[^\n]*?/etc/apt/sources\.list\.d/(?:cuda|nvidia)", re.MULTILINE)  # in its image
_BUILD = re.compile(rb"^(?![ \t]*#)[^\n]*?(?:--cuda_ext\b|\bFORCE_CUDA=1\b|\bnccl\.h\b|\bnvcc[ \t])", re.MULTILINE)
_HEAD = 600  # bytes in which a tool says that it made the file
MADE = "the file is made by a tool: change what it is made from, and make it again"
_NEAR = 3  # parts of the path, from its end, that name the file


def served(ctx: Context) -> str | None:
    """Why the file needs no port: it is for Neuron already, or there is one for Neuron beside it."""
    if _DEVICE.search(_near(ctx)):
        return "by its name it is for Neuron already"
    sister = _sister(ctx, _DEVICE)
    return f"`{sister}` beside it is for Neuron" if sister is not None else None


def _near(ctx: Context) -> str:
    return "/".join(ctx.source.path.split("/")[-_NEAR:])


def elsewhere(ctx: Context) -> str | None:
    """The word in the file's name by which it is for another device than CUDA's."""
    found = _DEVICE.search(_near(ctx))
    return found[1] if found is not None else others(ctx)


def others(ctx: Context) -> str | None:
    """The word in the file's name by which it is for a device that is neither CUDA's nor Neuron."""
    found = _OTHER.search(_OFFLOADED.sub("", _near(ctx)))
    return found[1] if found is not None else None


def kept(site: Site, ctx: Context) -> str | None:
    """Why nothing at the site is edited, though porter knows what to write; None where it may be."""
    path, text = ctx.source.path, ctx.source.text
    if _SERVICE.search(path):
        return "the machines of a CI service are chosen elsewhere: add a job for the device, and leave this one"
    if _MADE.search(text, 0, _HEAD) or _HASHED.search(text):
        return MADE
    if ctx.source.kind == "docker" and (why := _of_image(ctx)) is not None:
        return why
    if ctx.source.kind == "requirements" and _CONSTRAINTS.search(path):
        return "constraints install nothing: let these releases in here, and require them where torch is required"
    if ctx.source.kind in ("requirements", "conda") and _DOCUMENTATION.search(path):
        return "it builds the documentation, which takes no device: leave it, or take torch from the CPU index"
    named = _CUDA.search("/".join([_near(ctx), *site.scope.split(".")]))
    if named is not None:
        return f"by its name (`{named[1]}`) it is CUDA's: write one for the device beside it, and leave this one"
    if site.statement is not None and (chosen := chooses_device(ctx.source.shown, site.start)) is not None:
        return f"line {ctx.source.line(chosen)} chooses the device that it is for: add a branch beside it"
    sister = _sister(ctx, _OTHER)
    if sister is not None:
        return f"`{sister}` beside it is for another device: write one for this device, too, and leave this one"
    return None


def _of_image(ctx: Context) -> str | None:
    """Why a Dockerfile keeps its image: what it does there fails in AWS's."""
    text, line = ctx.source.shown, ctx.source.line
    if (python := _line_of_python(text)) is not None:
        return f"line {python} installs another Python than AWS's image has: leave that to the image first"
    if (found := _LIST.search(text)) is not None:
        return f"line {line(found.end())} changes a file of NVIDIA's image: start from AWS's without it"
    if (end := _built(ctx)) is not None:
        return f"line {line(end)} builds with CUDA's toolkit, which AWS's image lacks: leave that out first"
    return None


def _built(ctx: Context) -> int | None:
    """Where a Dockerfile compiles for CUDA: by an option, or a package that the program needs."""
    if (found := _BUILD.search(ctx.source.shown)) is not None:
        return found.end()
    return next((s.end for s in ctx.sites if s.kind == "requirement" and _is_compiled(s, ctx)), None)


def _is_compiled(site: Site, ctx: Context) -> bool:
    """Whether a package for CUDA is installed from its sources, and something imports it."""
    row = ctx.catalogue.find("requirement", site.name)
    modules = [m for m in row.imports if m in ctx.project.noted.imports] if row is not None else []
    packages = (ctx.catalogue.find("symbol", module) for module in modules)
    from_source = b"git+" in ctx.source.shown[site.start : site.end] or site.detail in IN_FOLDER
    return from_source and any(package is not None and package.needs_cuda for package in packages)


def _line_of_python(text: bytes) -> int | None:
    """Where a Dockerfile installs a Python of its own, as conda brings one."""
    found = (_PYTHON.search(text, *command.span()) for command in _INSTALL.finditer(text))
    first = next((match for match in found if match is not None), None) or _CONDA.search(text)
    return text.count(b"\n", 0, first.end()) + 1 if first is not None else None


def _sister(ctx: Context, devices: re.Pattern[str]) -> str | None:
    """A file in the same folder whose name differs by nothing but the word for one of ``devices``."""
    folder, _, name = ctx.source.path.rpartition("/")
    plain = _CUDA.sub("", name).lower()
    for other in ctx.project.files.get(folder, ()):
        if other != name and devices.search(other) and devices.sub("", other).lower() == plain:
            return other
    return None
