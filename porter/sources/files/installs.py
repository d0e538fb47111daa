"""What commands install: pip and its kin, conda, and the package managers of Linux distributions."""

from __future__ import annotations

import re
from collections.abc import Iterator

from porter.index.site import Site
from porter.sources.files.requirements import INDEX_OPTIONS, channel_at, index_at, requirement
from porter.sources.files.view import View, Word, names

_PIP = frozenset(["pip", "pip3", "uv", "pipx", "poetry", "pdm", "rye"])
_CONDA = frozenset(["conda", "mamba", "micromamba"])
_SYSTEM = frozenset(["apt", "apt-get", "aptitude", "yum", "dnf", "microdnf", "zypper"])
_VERBS = frozenset(["install", "add", "create", "download", "wheel", "update", "upgrade"])
_SYSTEM_PACKAGE = re.compile(
    r"(?:cuda|nvidia|cudnn|tensorrt|libnv|libnccl|libcu(?:da|blas|dnn|fft|file|rand|solver|sparse)|datacenter-gpu)[\w.+=:~*-]*"
)
# Options whose next word is no requirement.
_TAKE_A_VALUE = names(
    "-r --requirement -c --constraint -n --name -p --prefix -t --target --platform --python --channel -f --file"
)


def install_sites(view: View, words: list[Word], programs: list[str]) -> Iterator[Site]:
    """The sites of an installing command: requirements, CUDA indexes and channels. Nothing for any other command.

    Args:
        view: the text that the words stand in.
        words: of the command.
        programs: the words without folders.
    """
    installer = next((i for i, name in enumerate(programs) if name in _PIP or name in _CONDA or name in _SYSTEM), None)
    if installer is None or _VERBS.isdisjoint(programs[installer : installer + 4]):
        return
    program = programs[installer]
    verb = next(i for i in range(installer + 1, len(programs)) if programs[i] in _VERBS)
    previous = ""
    for word in words[verb + 1 :]:
        option, _, value = word.value.partition("=")
        if word.value.startswith("-"):
            if value and option in INDEX_OPTIONS:
                yield from index_at(view, word.start, word.end)
        elif program in _CONDA and previous in ("-c", "--channel"):
            yield from channel_at(view, word)
        elif program in _PIP and previous in INDEX_OPTIONS:
            yield from index_at(view, word.start, word.end)
        elif previous not in _TAKE_A_VALUE and (program not in _SYSTEM or _SYSTEM_PACKAGE.fullmatch(word.value)):
            yield from _package(view, word)
        previous = word.value


def _package(view: View, word: Word) -> Iterator[Site]:
    if name := requirement(word.value):
        yield view.site("requirement", name.value, word.start, word.end, detail=word.value)
