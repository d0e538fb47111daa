"""What kind of file a name stands for. The kind chooses the tokens, the scanner and the comment sign."""

from __future__ import annotations

import re

_SUFFIXES = {
    suffix: kind
    for kind, suffixes in {
        "python": "py pyi pyw",
        "notebook": "ipynb",
        "shell": "sh bash zsh ksh slurm sbatch pbs env",
        "make": "mk",
        "cmake": "cmake",
        "docker": "dockerfile containerfile",
        "yaml": "yaml yml",
        "json": "json jsonc",
        "toml": "toml",
        "native": "cu cuh cpp cc cxx c h hpp hxx hh hip ptx",
    }.items()
    for suffix in suffixes.split()
}
_NAMES = {
    "setup.cfg": "setup-cfg",
    "cmakelists.txt": "cmake",
    "makefile": "make",
    "gnumakefile": "make",
    "dockerfile": "docker",
    "containerfile": "docker",
    "pipfile": "toml",
    "package-lock.json": None,
    "npm-shrinkwrap.json": None,
    "pnpm-lock.yaml": None,
}
_REQUIREMENTS = re.compile(r"(?:.*requirements.*|constraints?.*)\.(?:txt|in)")
_CONDA = re.compile(r"(?:conda[-_.]?)?env(?:ironment)?s?[-_.\w]*\.ya?ml|conda[-_.\w]*\.ya?ml")
_LISTS = tuple(re.compile(rb"^%b:[ \t]*\r?\n[ \t]*- " % key, re.M) for key in (b"channels", b"dependencies"))
_VARIANT = re.compile(r"(dockerfile|containerfile|makefile)[-_.].*")
_SHEBANG = re.compile(rb"#!.*\b(?:(python)|(?:ba|da|k|z)?(?:sh))(?:\d|\b)")


def kind_of(path: str) -> str | None:
    """The kind of a file by its path (with ``/``); None for what porter does not read, or not by its name."""
    name = path[path.rfind("/") + 1 :].lower()
    kind = _SUFFIXES.get(name[name.rfind(".") + 1 :]) if "." in name else None
    if kind == "python" or kind == "native":
        return kind
    if name in _NAMES:
        return _NAMES[name]
    if kind == "yaml" and _CONDA.fullmatch(name):
        return "conda"
    if kind == "toml" and name.startswith("pyproject"):  # pyproject-flash.toml, too
        return "pyproject"
    if name.endswith((".txt", ".in")):
        directory = path[: -len(name) - 1].rpartition("/")[2]
        return "requirements" if _REQUIREMENTS.fullmatch(name) or directory == "requirements" else None
    if kind is None and (variant := _VARIANT.fullmatch(name)):
        return _NAMES[variant[1]]
    return kind


def kind_of_script(head: bytes) -> str | None:
    """The kind of a file without a telling name, by its first bytes: that of its interpreter."""
    match = _SHEBANG.match(head)
    return None if match is None else "python" if match[1] else "shell"


def kind_of_yaml(text: bytes) -> str:
    """The kind of a YAML file by what it says: an environment of conda lists its channels and dependencies."""
    return "conda" if all(listed.search(text) for listed in _LISTS) else "yaml"
