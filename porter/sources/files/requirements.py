"""Requirements, as pip, conda, uv, poetry and setuptools write them. The catalogue judges the names.

A requirement is named by its distribution, normalised as the package index does it. What pins it to a CUDA build is
part of the name: ``torch==2.1+cu118`` is ``torch+cu118``, ``jax[cuda12]`` is itself. An index is its address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from porter.index.site import Site
from porter.sources.files.view import BLANKS, View, Word, names

_NAME = re.compile(r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?(?![\w/\\:])", re.ASCII)
_ADDRESS = re.compile(r"(?:[a-z]+\+)?[a-z]+://", re.ASCII)
_WHEEL = re.compile(r"/([A-Za-z0-9][\w.]*)-\d[^/\s]*\.(?:whl|tar\.gz|zip)", re.ASCII)
_EGG = re.compile(r"[#&]egg=([\w.-]+)", re.ASCII)
_CUDA_BUILD = re.compile(r"(?:\+|%2B)(cu(?:da)?\d*)|/(cu\d+)/", re.ASCII)  # of a wheel: a folder of its address
_CUDA_EXTRA = re.compile(r"\[[\w,-]*cuda[\w,-]*\]", re.ASCII)
_CUDA_INDEX = re.compile(
    r"https?://[^\s'\"]{0,200}?(?:/cu[\d$]|\+cu[\d$]|\bnvidia\.com|flashinfer\.ai/whl)"
    r"(?:(?<=\$)\([^()\n]{0,80}(?:\([^()\n]{0,80}\)[^()\n]{0,80}){0,4}\)|[^\s'\"])*",  # cu$(subst .,,$(VERSION))
    re.ASCII,
)
_CHANNEL = re.compile(r"(?:https?://[^\s]*/)?nvidia(?:/label/[\w.-]+)?/?", re.ASCII)
_OPTION = re.compile(r"(-(?:-[\w-]+|\w))(?:[ \t=]+|$)", re.ASCII)
_END = re.compile(r"(?<=[ \t])(?:#|--?\w|\\$)|^#", re.ASCII)  # a comment, options of one requirement, a continuation

# Distributions with one build per CUDA version under one name, told apart by local version or extra.
BUILDS = names("torch torchvision torchaudio torchtext torchcodec jax jaxlib tensorflow")
# Repositories that are not called like what they distribute.
_DISTRIBUTIONS = {
    "flash-attention": "flash-attn",
    "mamba": "mamba-ssm",
    "transformerengine": "transformer-engine",
    "pytorch_scatter": "torch-scatter",
}
INDEX_OPTIONS = names("-i --index-url --extra-index-url -f --find-links --index --default-index")
EDITABLE_OPTIONS = frozenset(["-e", "--editable"])
_SETUP_KEYS = frozenset(["install_requires", "setup_requires", "tests_require"])


def requirement(text: str) -> Word | None:
    """The name of the requirement ``text`` and its span; None where it is none (a path, an option, a blank).

    Reads PEP 508, direct references, addresses of repositories and wheels, and conda's match specifications.
    """
    text = text.rstrip(BLANKS)
    start = len(text) - len(text.lstrip(BLANKS))
    if _ADDRESS.match(text, start):
        match = _EGG.search(text, start) or _WHEEL.search(text, start)
        name = match[1] if match else _repository(text[start:])
    else:
        match = _NAME.match(text, text.find("::", start) + 2 if "::" in text else start)  # nvidia::cuda-toolkit
        name = match.group() if match else ""
    if not name:
        return None
    name = normalised(name)
    if name in BUILDS:
        if build := _CUDA_BUILD.search(text, start):
            name += "+" + (build[1] or build[2])
        elif extra := _CUDA_EXTRA.search(text, start):
            name += extra[0]
    return Word(name, start, len(text))


def _repository(address: str) -> str:
    """What the repository at an address is called: apex for git+https://github.com/NVIDIA/apex.git@24.04."""
    path = address.partition("://")[2].partition("/")[2]
    name = re.split("[@#?]", path, maxsplit=1)[0].rstrip("/").rpartition("/")[2].removesuffix(".git")
    return distribution(name)


def distribution(repository: str) -> str:
    """What is made of a repository, by what that, or the folder that it is in, is called."""
    return _DISTRIBUTIONS.get(repository.lower(), repository)


def normalised(name: str) -> str:
    """A distribution's name as the package index compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirement_sites(text: str, start: int, line: int) -> list[Site]:
    """The site of one requirement in a string of another language, such as setup.py; empty where it is none.

    Args:
        text: the string's value.
        start: byte offset of its first character, inside the quotes.
        line: its line, from 1.
    """
    word = requirement(text.encode(errors="replace").decode("latin-1"))
    if word is None:
        return []
    return [Site("requirement", word.value, start + word.start, start + word.end, line, "text", detail=text.strip())]


def requirement_at(view: View, start: int, end: int, scope: str = "") -> Iterator[Site]:
    """The site of the requirement that ``start:end`` holds, options and comment left out.

    ``scope`` is the key that it stands under, dotted: ``project.optional-dependencies.gpu``.
    """
    text = view.text[start:end]
    if stop := _END.search(text):
        text = text[: stop.start()]
    if word := requirement(text):
        begin, detail = start + word.start, text.strip(BLANKS)
        yield view.site("requirement", word.value, begin, start + word.end, scope=scope, detail=detail)


def index_at(view: View, start: int, end: int, option: int | None = None) -> Iterator[Site]:
    """The site of an index of CUDA wheels, if ``start:end`` holds its address.

    ``option`` is where the option begins that gives it to an installer: it is then part of the site.
    """
    if match := _CUDA_INDEX.search(view.text, start, end):
        address = match[0].rstrip("/")
        begin, stop = match.start(), match.start() + len(address)
        if option is not None:
            quote = view.text[begin - 1]
            quoted = quote in "\"'" and view.text.startswith(quote, match.end())
            begin, stop = option, match.end() + quoted
        yield view.site("requirement", address.replace("http:", "https:", 1), begin, stop)


def channel_at(view: View, channel: Word) -> Iterator[Site]:
    """The site of a conda channel, if it is NVIDIA's."""
    if _CHANNEL.fullmatch(channel.value):
        yield view.site("requirement", "channel nvidia", channel.start, channel.end)


def pip_line(view: View, line: Word, scope: str = "") -> Iterator[Site]:
    """The sites of one line of a requirements file, or of a list of such lines under the key ``scope``."""
    start = line.end - len(line.value.lstrip(BLANKS))
    if option := _OPTION.match(view.text, start, line.end):
        if option[1] in INDEX_OPTIONS:
            yield from index_at(view, option.end(), line.end, option.start())
        if option[1] not in EDITABLE_OPTIONS:
            return
        start = option.end()
    yield from requirement_at(view, start, line.end, scope)


def scan_requirements(view: View) -> Iterator[Site]:
    """requirements.txt and constraints."""
    for line in view.lines():
        yield from pip_line(view, line)


def scan_setup_cfg(view: View) -> Iterator[Site]:
    """setup.cfg: the requirements of ``[options]`` and its extras."""
    section = key = ""
    for line in view.lines():
        body = line.value.lstrip(BLANKS)
        start = line.end - len(body)
        if body.startswith("["):
            section = body.strip("[]" + BLANKS)
        elif body and body[0] not in "#;":
            if start == line.start:
                key, _, value = body.partition("=")
                key, start = key.strip(BLANKS), line.end - len(value)
            if section == "options.extras_require" or (section == "options" and key in _SETUP_KEYS):
                yield from requirement_at(view, start, line.end, f"{section}.{key}")
