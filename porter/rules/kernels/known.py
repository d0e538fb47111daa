"""Which sites are code that only CUDA runs: kernels, and packages and extensions made of them."""

from __future__ import annotations

import re

from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context
from porter.rules.by_name import OWN_KERNEL
from porter.rules.uses import may_be_missing, stand_in

# Rules whose findings mean code that only CUDA runs, as far as their rows do not say otherwise.
KERNELS = frozenset(
    {"attention-implementation", "cuda-extension", "cuda-only-package", "fused-optimizer", "triton-kernel"}
)
STAYS = frozenset({Verdict.MANUAL, Verdict.BLOCKED, Verdict.UNKNOWN})
GENERATOR = "torch.Generator(device)"  # an argument: a device that has generators of its own
# Plain Python, which runs anywhere: what needs CUDA is what such a number is for.
_ARITHMETIC = frozenset({"triton.cdiv", "triton.next_power_of_2"})

# An argument, a variable or a key that says whether an optimizer's step is fused: `fused=`, `use_fused =`, `"fused":`.
_FUSED = re.compile(rb"\b(?=\w*fused)\w+\s*=(?!=)|[\"']fused[\"']\]?\s*[:=](?!=)")
FUSED = "left as it is: it asks for an optimizer's fused step, which is not there"

_DEVICE_WORD = re.compile(r"CUDA|Cuda|GPU|Gpu|CPU|Cpu|Mps|MPS|Xla|XLA|TPU|Xpu|XPU|Npu|NPU|Hpu|HPU")


def is_kernel(site: Site, ctx: Context) -> bool:
    """Whether a site uses a package or a kernel that has no equivalent on the target."""
    row = ctx.catalogue.find(site.kind, site.name)
    if row is None or row.rule not in KERNELS or is_arithmetic(site) or stand_in(site, ctx) is not None:
        return False
    return ctx.answer(row).verdict in STAYS or (row.signature is not None and may_be_missing(site, ctx))


def is_arithmetic(site: Site) -> bool:
    """Whether a site only computes with numbers, by a helper of a package for CUDA."""
    return site.name in _ARITHMETIC and site.role != "import"


def asks_for_fused(site: Site, ctx: Context) -> bool:
    """Whether a test decides that an optimizer's step is fused, which the target does not have."""
    row, statement = ctx.catalogue.find("argument", "torch.optim.AdamW(fused)"), site.statement
    if row is None or statement is None or ctx.answer(row).verdict is Verdict.PORTABLE:
        return False
    return _FUSED.search(ctx.source.text, statement.start, statement.end) is not None


def brings_kernels(site: Site, ctx: Context) -> bool:
    """Whether a site names a part of a package for CUDA, be there an equivalent for that part or not."""
    row = ctx.catalogue.find(site.kind, site.name)
    return row is not None and row.rule in KERNELS and ctx.answer(row).verdict is not Verdict.PORTABLE


def is_own_kernel(site: Site, ctx: Context) -> bool:
    """Whether a site calls what the program has of its own for CUDA, by its name."""
    return (
        site.role == "call"
        and OWN_KERNEL.search(site.name) is not None
        and not stands_alone(ctx.project.resolve(site.name, ctx.module), ctx)
    )


def stands_alone(name: str, ctx: Context) -> bool:
    """Whether a path-based name is a class that is no arm of an abstraction: no base, and no sister for another device.

    `CUDAAccelerator(Accelerator)` wants a sister for Neuron. A `CUDAPrefetcher` only uses CUDA, and is ported in place.
    """
    summary = ctx.project.summary(ctx.project.owner(name))
    info = summary.classes.get(name) if summary is not None else None
    if summary is None or info is None or any(base != "object" for base in info.bases):
        return False
    sisters = {_DEVICE_WORD.sub("", other) for other in summary.classes if other != name and _DEVICE_WORD.search(other)}
    return _DEVICE_WORD.sub("", name) not in sisters


def kernel_of(ctx: Context, sites: tuple[Site, ...] | None = None) -> Site | None:
    """A kernel that the file, or that of ``sites``, defines, registers for CUDA, or imports for all of its code."""
    top = (
        s
        for s in (ctx.sites if sites is None else sites)
        if s.role == "decorator" or (s.role == "import" and not s.scope) or s.name.startswith("torch.library.")
    )
    return next((s for s in top if is_kernel(s, ctx) and not is_folder(s)), None)


def is_folder(site: Site) -> bool:
    """Whether a site names the toolkit's folder, which PyTorch has a name for without one: ``CUDA_HOME``."""
    return site.name.endswith(".CUDA_HOME")
