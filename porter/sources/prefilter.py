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
from collections.abc import Container, Iterable, Iterator
from typing import NamedTuple

from porter.catalog import Catalogue

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
    *(b"accelerator", b"instance_type", b"instancetype", b"install", b"pip:", b"megatron"),
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
_INHERITED = ("torch.Tensor", "torch.nn.Module", ".module.Module")
_SHORT = 6  # letters below which a word stands inside others: `ncu` in `concurrent`

_IMPORT = re.compile(rb"import(?:_module\([\"']|[ \t]+)(\([^)]*|(?:[\w., \t]|\\\r?\n)+)")
_FROM = re.compile(rb"from[ \t]+([\w.]+)")
_ATTRIBUTE = re.compile(rb"\.(\w+)")
_NAME = re.compile(rb"\w+")
_WORD = re.compile(r"[^\s*{}:\[\]]+")


class Use(NamedTuple):
    """What is beside a name in a file that uses it: a part of its path, and an argument. Empty: nothing needs to be."""

    within: frozenset[bytes]
    arguments: frozenset[bytes]


class Prefilter:
    """What a file must hold to be worth a closer look.

    Kinds of file that are not in ``tokens`` always are: they are few, and most are about requirements or commands.
    ``tokens`` says, for each kind, of which byte strings one must be there. For Python the same holds of each
    pair in ``gated``, if the file holds one of its first half. ``imports`` has the names of each package that matter
    in a file that imports it; the empty name stands for the import itself.
    """

    def __init__(self, catalogue: Catalogue, rules: Container[str]) -> None:
        """Derive the filter from the rows of the rules (by name) that are to run."""
        names: dict[str, list[str]] = {}
        for row in catalogue.rows():
            if row.rule in rules:
                names.setdefault(row.kind, []).extend((row.name, *row.also))
        symbols = names.get("symbol", [])
        members = [name for name in symbols if name.rpartition(".")[0].endswith(_INHERITED)]
        anywhere = [f".{name.rpartition('.')[2]}" for name in (*members, *names.get("method", ()))]
        python = _minimal(_PYTHON, (*anywhere, *map(_literal, names.get("string", ()))))
        commands = (name for name in names.get("command", ()) if " " not in name)  # in Python one word is enough
        self.gated = (
            (_ENVIRONMENT, _minimal((), _quoted(names.get("environment", ())))),
            (_COMMANDS, _minimal((), _quoted(commands))),
        )
        self.imports = _imports(catalogue, rules, set(symbols).difference(members))
        configured = (name.lower() for kind in _CONFIGURED for name in names.get(kind, ()))
        native = (name.lower() for name in names.get("native", ()))
        self.tokens = {
            "python": python,
            "native": _lower(_NATIVE, native),
            **dict.fromkeys(("yaml", "json", "toml"), _lower(_CONFIGURATION, configured)),
        }

    def wanted(self, kind: str, raw: bytes, path: str = "") -> bool:
        """Whether a rule might fire in a file of this kind, with these bytes and this name."""
        tokens = self.tokens.get(kind)
        if tokens is None or raw.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) or path.endswith(_CUDA_FILES):
            return True
        if kind != "python":
            return _holds(raw.lower(), tokens)
        if _holds(raw, tokens) or any(_holds(raw, gate) and _holds(raw, words) for gate, words in self.gated):
            return True
        names = _imported(raw)
        packages = names & self.imports.keys()
        if packages:
            names.update(_ATTRIBUTE.findall(raw), (b"",))
        return any(self._used(raw, names, self.imports[package]) for package in packages)

    def _used(self, raw: bytes, names: set[bytes], uses: dict[bytes, Use]) -> bool:
        for name in names & uses.keys():
            within, arguments = uses[name]
            if (not within or names & within) and (not arguments or _holds(raw, arguments)):
                return True
        return False


def mentions(raw: bytes, names: Iterable[bytes]) -> bool:
    """Whether a Python file may import one of ``names``, which other files of the repository define."""
    return b"import" in raw and _holds(raw, names)


def _holds(raw: bytes, tokens: Iterable[bytes]) -> bool:
    for token in tokens:  # noqa: SIM110  (a generator would double the time)
        if token in raw:
            return True
    return False


def _imported(raw: bytes) -> set[bytes]:
    """The names that a Python file may import and import from; a few words too many do no harm."""
    found: set[bytes] = set()
    for names in _FROM.findall(raw):
        found.update(names.split(b"."))
    for names in _IMPORT.findall(raw):
        found.update(_NAME.findall(names))
    return found


def _imports(catalogue: Catalogue, rules: Container[str], symbols: Iterable[str]) -> dict[bytes, dict[bytes, Use]]:
    """The names of each package that matter, by their last part."""
    needs = [(symbol.rstrip(".*"), "") for symbol in symbols if not _holds(symbol.encode(), _PYTHON)]
    for function, parameters in catalogue.arguments.items():
        chosen = (p for p in parameters.values() if p.row.rule in rules and (p.name not in _DEVICES or p.row.values))
        needs += ((function, p.name if p.position is None else "") for p in chosen)
    found: dict[bytes, dict[bytes, list[tuple[bytes, bytes]]]] = {}
    for path, argument in needs:
        package, *rest = path.encode().split(b".")
        *above, name = rest or [b""]
        within = above[-1] if above else b""
        found.setdefault(package, {}).setdefault(name, []).append((within, argument.encode()))
    return {package: {name: _use(pairs) for name, pairs in names.items()} for package, names in found.items()}


def _use(pairs: list[tuple[bytes, bytes]]) -> Use:
    within, arguments = (frozenset(words) for words in zip(*pairs, strict=True))
    return Use(within if all(within) else frozenset(), arguments if all(arguments) else frozenset())


def _literal(name: str) -> str:
    """The longest part of a row's name that stands in the file as it is: no blanks, no wildcard."""
    return max(_WORD.findall(name), key=len, default="")


def _lower(base: tuple[bytes, ...], names: Iterable[str]) -> tuple[bytes, ...]:
    """``base``, and a word of each name (in lower case) that holds none of it."""
    return _minimal(base, (_literal(name) for name in names if len(name) > 2 and not _holds(name.encode(), base)))


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
