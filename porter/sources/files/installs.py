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
# A package of a Linux distribution, in whose name a version may stand: libcudnn8-dev, cuda-toolkit-12-4=12.4.1-1.
_SYSTEM_PACKAGE = re.compile(
    r"(?:lib(?=cudnn|nccl|nvinfer))?((?:cuda|nvidia|cudnn|nccl|nvinfer|tensorrt|libcu|libnv|datacenter-gpu)[a-z-]*?)"
    r"[\d.]*(?:-dev(?:el)?)?(?:-cuda)?(?:-\d[\w.-]*)?(?:[=:~*+][\w.:+~*=-]*)?",
    re.ASCII,
)
# Options whose next word is no requirement.
_TAKE_A_VALUE = names(
    """-r --requirement -c --constraint -n --name -p --prefix -t --target --platform --python --channel -f --file
    --no-binary --only-binary --progress-bar --exists-action --log --cache-dir"""
)

_VALUED = _TAKE_A_VALUE | INDEX_OPTIONS


def install_sites(view: View, words: list[Word], programs: list[str]) -> Iterator[Site]:
    """The sites of an installing command: requirements, CUDA indexes and channels. Nothing for any other command.

    Args:
        view: the text that the words stand in.
        words: of the command.
        programs: the words without folders.
    """
    installer, verb = _installer(programs)
    if not verb:
        return
    program = programs[installer]
    previous = words[verb]
    for word in words[verb + 1 :]:
        option, _, value = word.value.partition("=")
        if word.value.startswith("-"):
            if value and option in INDEX_OPTIONS:
                yield from index_at(view, word.start, word.end, word.start)
        elif program in _CONDA and previous.value in ("-c", "--channel"):
            yield from channel_at(view, word)
        elif program in _PIP and previous.value in INDEX_OPTIONS:
            yield from index_at(view, word.start, word.end, previous.start)
        elif previous.value not in _TAKE_A_VALUE:
            yield from _package(view, word, program)
        previous = word


def installed(words: list[Word], programs: list[str]) -> list[Word] | None:
    """What a command installs: requirements, files of them, folders; None for any other command."""
    _, verb = _installer(programs)
    if not verb:
        return None
    found = []
    for previous, word in zip(words[verb:], words[verb + 1 :], strict=False):
        lists = previous.value in ("-r", "--requirement")
        if lists or (previous.value not in _VALUED and not word.value.startswith("-")):
            found.append(word)
    return found


def _installer(programs: list[str]) -> tuple[int, int]:
    """Where an installer stands, and the verb that has it install something; the verb is 0 where there is none."""
    for i, name in enumerate(programs):
        if name in _PIP or name in _CONDA or name in _SYSTEM:
            verb = next((j for j in range(i + 1, min(i + 4, len(programs))) if programs[j] in _VERBS), 0)
            return i, verb
    return 0, 0


def _package(view: View, word: Word, program: str) -> Iterator[Site]:
    if program not in _SYSTEM:
        found = requirement(word.value)
        name = found.value if found else ""
    elif match := _SYSTEM_PACKAGE.fullmatch(word.value):
        name = match[1]
    else:
        name = ""
    if name:
        yield view.site("requirement", name, word.start, word.end, detail=word.value)
