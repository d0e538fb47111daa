"""Container images with CUDA inside, and the options that hand NVIDIA GPUs to a container.

## What CUDA does

`FROM nvidia/cuda` and `pytorch/pytorch` bring the toolkit and PyTorch's CUDA build; `--gpus`, `runtime: nvidia` and
`driver: nvidia` have NVIDIA's container runtime mount the driver.

## On Neuron

AWS publishes images with the Neuron compiler, runtime and torch-neuronx at `public.ecr.aws/neuron`. Devices are handed
over one by one, `--device=/dev/neuron0`, and no special runtime is involved.

An image brings its own Python, with torch-neuronx for that, and no CUDA toolkit. A file that installs another Python on
top of it, or builds with the toolkit, is left to you, and so is all that a file does to an image that porter knows
nothing in the place of.

## Example

```dockerfile
FROM pytorch/pytorch:2.5.1-cuda12.4-cudnn9-runtime
```

## What to do

Take the image as a build argument while both kinds of machine are in use: `ARG BASE` and `FROM ${BASE}`.
"""

from __future__ import annotations

import re

import msgspec

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Edits, Judgement, TextEdit, rule
from porter.rules.environment.alternatives import kept
from porter.rules.environment.write import delete, write
from porter.rules.table import sentence

_REFERENCE = re.compile(rb"\$(?:(\w+)|\{(\w+)\})")
_RUNTIME = "--runtime=nvidia"
STAGES = "stages"  # the group of a Dockerfile's images
_UNKNOWN = "image cuda: "  # what the catalogue calls an image whose publisher it does not know
_IMAGE = re.compile(rb"""["']?(?:docker://)?([a-z0-9][^\s"'#]*)["']?""", re.IGNORECASE)


@rule("PRT803", "cuda-container")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue: an image and its devices, or the stages of a file, change together."""
    result = write(site, row, ctx, _option if site.name.startswith("--") else _image)
    if isinstance(result, Dismissed):
        return result
    if site.name.startswith(_UNKNOWN) and (why := kept(site, ctx)) is not None:
        result = msgspec.structs.replace(result, advice=sentence(why))
    message = result.message.replace(_UNKNOWN, "")
    return msgspec.structs.replace(result, message=message, group=_container(site, ctx))


def _container(site: Site, ctx: Context) -> str | None:
    """What the site is a part of: an image, and the devices that it is given, change together, and so do stages."""
    if site.statement is not None:
        return f"container {site.statement.start}"
    if ctx.source.kind == "docker":
        return STAGES
    if site.name.startswith("--"):
        return f"options {site.detail}"
    service = site.scope.split(".")[:2]
    return ".".join(service) if service[0] == "services" else None


def _image(site: Site, image: str, ctx: Context) -> Edits | None:
    """Write another image, where it stands there or in an ARG of its own; not where files are copied from it."""
    text = ctx.source.shown
    found = _IMAGE.fullmatch(text, site.start, site.end) or _default(site, text)
    if found is None or text.endswith(b"--from=", 0, site.start):
        return None
    return (TextEdit(*found.span(1), image),)


def _default(site: Site, text: bytes) -> re.Match[bytes] | None:
    """The value of ``ARG BASE=nvidia/cuda:12.4`` for a site ``${BASE}``, where nothing else reads it."""
    reference = _REFERENCE.fullmatch(text, site.start, site.end)
    name = re.escape(reference[1] or reference[2]) if reference is not None else None
    if name is None or len(re.findall(rb"\$\{?" + name + rb"\b", text)) > 1:
        return None
    given = list(re.finditer(rb"^[ \t]*ARG[ \t]+" + name + rb"=[\"']?([^\s\"'$]+)[\"']?[ \t]*$", text, re.M))
    return given[0] if len(given) == 1 else None


def _option(site: Site, option: str, ctx: Context) -> Edits | None:
    """Write another option for the one and its value, in a command; one of two that both give GPUs goes."""
    if site.name == _RUNTIME and any(_options(s) == _options(site) for s in ctx.where("name", "--gpus")):
        return delete(site, ctx)
    written = ctx.source.shown[site.start : site.end]
    in_command = site.statement is not None and site.statement.kind == "Command"
    if not written.startswith(site.name.partition("=")[0].encode()) or not (in_command or b"=" in written):
        return None
    return (TextEdit(site.start, site.end, option),)


def _options(site: Site) -> str:
    """Where an option stands: the command, or the list under a key."""
    return f"{site.statement.start}" if site.statement is not None else site.detail
