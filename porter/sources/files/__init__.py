"""Scanners for every file that is not Python. They say where CUDA is meant; the rules say what to do about it.

=============  =====================================================================================================
kind of site   names
=============  =====================================================================================================
requirement    ``flash-attn``, ``torch+cu118``, ``https://download.pytorch.org/whl/cu121``, ``channel nvidia``
container      ``nvidia/cuda:12.4.0-devel``, ``image cuda: NAME`` for other images, ``--gpus``, ``runtime: nvidia``
command        ``nvidia-smi``, ``torchrun``, ``torchrun --nproc_per_node=gpu``, ``python -m torch.distributed.launch``
config         ``device: cuda:0``, ``accelerator: gpu``, ``backend: nccl``, ``fp16: true``: in files and as arguments
environment    ``CUDA_VISIBLE_DEVICES``; role store where it is set, load where it is read
resource       ``nvidia.com/gpu``, ``--gres=gpu``, ``instance_type: p4d.24xlarge``, ``runtimeClassName: nvidia``
native         ``__global__``, ``ATen/cuda``, ``nvcc``, ``find_package(CUDA)``, ``/usr/local/cuda``
=============  =====================================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from porter.index.site import Site
from porter.sources.files.build import scan_cmake, scan_make
from porter.sources.files.commands import scan_shell
from porter.sources.files.config import scan_json, scan_toml, scan_yaml
from porter.sources.files.docker import scan_docker
from porter.sources.files.manifests import scan_conda, scan_pyproject
from porter.sources.files.native import scan_native
from porter.sources.files.requirements import requirement_sites, scan_requirements, scan_setup_cfg
from porter.sources.files.view import View
from porter.sources.source import Source

__all__ = ["SCANNERS", "requirement_sites", "scan"]

SCANNERS: dict[str, Callable[[View], Iterator[Site]]] = {
    "requirements": scan_requirements,
    "pyproject": scan_pyproject,
    "setup-cfg": scan_setup_cfg,
    "conda": scan_conda,
    "docker": scan_docker,
    "shell": scan_shell,
    "make": scan_make,
    "cmake": scan_cmake,
    "yaml": scan_yaml,
    "json": scan_json,
    "toml": scan_toml,
}


def scan(source: Source) -> list[Site]:
    """The sites of a file that is not Python, and of the other languages in a notebook, in order of their place.

    Never fails, whatever the file holds.
    """
    sites = list(_scan(source, source.kind, source.text, 0))
    for fragment in source.fragments:
        sites += _scan(source, fragment.kind, fragment.text, fragment.start)
    distinct = {
        (site.start, site.end, site.kind, site.name): site for site in sites
    }  # scripts in quotes are read twice
    return [distinct[place] for place in sorted(distinct)]


def _scan(source: Source, kind: str, text: bytes, base: int) -> Iterator[Site]:
    view = View(text.decode("latin-1"), base, source.line)
    if kind == "native":
        return scan_native(view, source.path)
    scanner = SCANNERS.get(kind)
    return scanner(view) if scanner else iter(())
