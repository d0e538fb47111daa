"""Which files can hold a finding at all: a look at their bytes, derived from the catalogue.

The promise: no rule fires in a file that the prefilter rejects. It rests on names standing in the file as the catalogue
spells them, so it does not hold for names of its own that another file gives to a CUDA construct
(``from .compat import amp_context``): whoever knows such names asks `mentions` about the rejected files.
Most files are rejected, and most time goes into saying so: ``in`` on bytes beats any regular expression, and
every token asked of every file costs half a millisecond per million lines.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Collection, Container, Iterable, Iterator

from porter.catalog import Catalogue, Parameter, is_member

# Every name under a CUDA namespace holds one of the first six, and so do most rows. The others stand for families of
# rows that share them. A setup script also lists requirements.
_PYTHON = (
    *(b"cuda", b"CUDA", b"nccl", b"NCCL", b"cudnn", b"nvtx"),
    *(b"setup(", b"kernels-community", b"ExecutionProvider", b"_offload", b"xformers", b"libcu", b"libnv"),
)
# Lower case, as are the bytes they are looked for in. What the scanners know beside the catalogue: where one row
# answers for many spellings, all of them are here.
_CONFIGURATION = (
    *(b"cuda", b"nccl", b"nvidia", b"gpu", b"torch", b"triton", b"cudnn", b"nvtx", b"nvcc", b"flash_att"),
    *(b"fp16", b"float16", b"half", b"precision", b"tf32", b"8bit", b"4bit", b"fused", b"apex", b"paged", b"bnb"),
    *(b"accelerator", b"instance", b"install", b"pip", b"image", b"container", b"megatron"),
)
_NATIVE = (b"cuda", b"__global__", b"__device__", b"<<<", b"nccl", b"cudnn", b"nvtx", b"half")
_CUDA_FILES = (".cu", ".cuh", ".ptx")

# What a Python file holds one of, if it has environment variables or commands at all.
_ENVIRONMENT = (b"env",)
_COMMANDS = (b"subprocess", b"system(", b"Popen", b"popen", b"cmd", b"command", b"which(", b"shlex", b"exec")
# Kinds of rows that configurations are looked through for.
_CONFIGURED = frozenset({"string", "environment", "command", "container", "resource", "config"})
# Arguments that take a device: it is the value that ties a program to CUDA, and it holds the word.
_DEVICES = frozenset({"device", "device_type", "device_types", "map_location"})
# Classes whose members a file may use on objects of classes that another file derives from them.
_INHERITED = frozenset({"torch.Tensor", "torch.nn.Module"})
_SHORT = 6  # letters below which a word stands inside others: `ncu` in `concurrent`, `mode` in `model`

_IMPORT = re.compile(rb"import(?:_module\([\"']|[ \t]+)([\w., \t]+)")
_FROM = re.compile(rb"from[ \t]+(\w+)")
_WORD = re.compile(r"[^\s*{}:\[\]]+")


class Prefilter:
    """What a file must hold to be worth a closer look. Kinds of file that are not in ``tokens`` always are.

    ``tokens`` says, for each kind, of which byte strings one must be there. For Python the same holds of each
    pair in ``gated``, if the file holds one of its first half, and of each package in ``imports``, if the file imports
    it; no words there means that the import is enough.
    """

    def __init__(self, catalogue: Catalogue, rules: Container[str]) -> None:
        """Derive the filter from the rows of the rules (by name) that are to run."""
        names: dict[str, list[str]] = {}
        for row in catalogue.rows():
            if row.rule in rules:
                names.setdefault(row.kind, []).extend((row.name, *row.also))
        symbols = names.get("symbol", [])
        members = [name for name in symbols if _owner(name) in _INHERITED]
        anywhere = [f".{name.rpartition('.')[2]}" for name in (*members, *names.get("method", ()))]
        python = _minimal(_PYTHON, (*anywhere, *map(_literal, names.get("string", ()))))
        commands = (name for name in names.get("command", ()) if " " not in name)  # in Python one word is enough
        self.gated = (
            (_ENVIRONMENT, _minimal((), _quoted(names.get("environment", ())))),
            (_COMMANDS, _minimal((), _quoted(commands))),
        )
        self.imports = _imports(catalogue, rules, [name for name in symbols if _owner(name) not in _INHERITED])
        configured = (_literal(name).lower() for kind in _CONFIGURED for name in names.get(kind, ()))
        native = (_literal(name).lower() for name in names.get("native", ()))
        self.tokens = {
            "python": python,
            "notebook": python,
            "native": _minimal(_NATIVE, (word for word in native if len(word) > 2)),
            **dict.fromkeys(
                ("yaml", "json", "toml"), _minimal(_CONFIGURATION, (word for word in configured if len(word) > 2))
            ),
        }

    def wanted(self, kind: str, raw: bytes, path: str = "") -> bool:
        """Whether a rule might fire in a file of this kind, with these bytes and this name."""
        tokens = self.tokens.get(kind)
        if tokens is None or raw.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) or path.endswith(_CUDA_FILES):
            return True
        if kind != "python" and kind != "notebook":
            return _holds(raw.lower(), tokens)
        return (
            _holds(raw, tokens)
            or any(_holds(raw, gate) and _holds(raw, words) for gate, words in self.gated)
            or any(_enough(raw, self.imports[package]) for package in _packages(raw) & self.imports.keys())
        )


def mentions(raw: bytes, names: Iterable[bytes]) -> bool:
    """Whether a Python file may import one of ``names``, which other files of the repository define."""
    return b"import" in raw and _holds(raw, names)


def _holds(raw: bytes, tokens: Iterable[bytes]) -> bool:
    for token in tokens:  # noqa: SIM110  (a generator would double the time)
        if token in raw:
            return True
    return False


def _enough(raw: bytes, words: tuple[bytes, ...]) -> bool:
    return not words or _holds(raw, words)


def _packages(raw: bytes) -> set[bytes]:
    """The top-level packages that a Python file may import; a few words too many do no harm."""
    found = set(_FROM.findall(raw))
    for names in _IMPORT.findall(raw):
        found.update(name.strip().partition(b".")[0].partition(b" ")[0] for name in names.split(b","))
    return found


def _imports(catalogue: Catalogue, rules: Container[str], symbols: Iterable[str]) -> dict[bytes, tuple[bytes, ...]]:
    """For each package, the words of which a file that imports it must hold one; none where the import is enough."""
    needed: dict[str, set[str]] = {}
    for name in symbols:
        package, _, rest = name.rstrip(".*").partition(".")
        if not _holds(name.encode(), _PYTHON) or not rest:
            needed.setdefault(package, set()).update(_telling(rest))
    for function, parameters in catalogue.arguments.items():
        package, _, rest = function.partition(".")
        chosen = [parameter for parameter in parameters.values() if parameter.row.rule in rules]
        needed.setdefault(package, set()).update(_argument(rest, chosen))
    return {
        package.encode(): () if "" in words else _minimal((), words)
        for package, words in needed.items()
        if words and not _holds(package.encode(), _PYTHON)
    }


def _owner(name: str) -> str:
    return name.rpartition(".")[0]


def _telling(name: str) -> list[str]:
    """Words, one of which is in any file that uses what ``name`` (without its package) stands for.

    All parts of a name are in such a file, but for members of objects; so one of them, long enough to be told, will do.
    """
    parts = (_owner(name) if is_member(name) else name).split(".")
    word = parts[-1] if len(parts[-1]) >= _SHORT else max(parts, key=len)
    return [word] if len(word) >= _SHORT or not word else [f".{word}", f"import {word}", f", {word}"]


def _argument(function: str, parameters: Collection[Parameter]) -> list[str]:
    """Words, one of which is in any file that passes one of ``parameters``: their names, where they are needed."""
    named = [parameter for parameter in parameters if parameter.name not in _DEVICES]
    if any(parameter.position is not None or len(parameter.name) < _SHORT for parameter in named):
        return _telling(function)
    return [parameter.name for parameter in named]


def _literal(name: str) -> str:
    """The longest part of a row's name that stands in the file as it is: no blanks, no wildcard."""
    return max(_WORD.findall(name), key=len, default="")


def _quoted(names: Iterable[str]) -> Iterator[str]:
    """Words that begin a string, with the quote (either) where they are too short to be told without."""
    for word in map(_literal, names):
        yield from (word,) if len(word) >= _SHORT else (f'"{word}', f"'{word}")


def _minimal(base: tuple[bytes, ...], words: Iterable[str]) -> tuple[bytes, ...]:
    """``base``, and those of ``words`` that hold none of it nor of each other."""
    kept = list(base)
    for word in sorted({word.encode() for word in words if word}, key=lambda word: (len(word), word)):
        if not _holds(word, kept):
            kept.append(word)
    return tuple(kept)
