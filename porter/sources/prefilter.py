"""Which files can hold a finding at all: a look at their bytes, derived from the catalogue.

The promise: no rule fires in a file that the prefilter rejects, but to say that all is well. It rests on names standing
in the file as the catalogue spells them, so it does not hold for names of its own that another file gives to a CUDA
construct (``from .compat import amp_context``): whoever knows such names asks `mentions` about the rejected files.
Most files are rejected, and most time goes into saying so: ``in`` on bytes beats any regular expression, and
every token asked of every file costs half a millisecond per million lines.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Container, Iterable, Iterator
from typing import NamedTuple

from porter.catalog import Catalogue, Parameter, Row, parse_argument
from porter.model import TARGETS, Verdict
from porter.targets import TARGETS as SPELLED

# Every name under a CUDA namespace holds one of the first five, and so do most rows. The others stand for families of
# rows that share them; a message about memory need not name CUDA.
_PYTHON = (
    *(b"cuda", b"nccl", b"NCCL", b"cudnn", b"nvtx"),
    *(b"kernels-community", b"ExecutionProvider", b"xformers", b"libcu", b"libnv", b"ut of memory"),
    # Where a program does this, no other file may use the device too early.
    *(b"CUDA_VISIBLE_DEVICES", b"init_process_group"),
)
# Parts that many words share: the words are looked for only in files that hold the part.
_SHARED = (b"CUDA", b"_BUILD", b"_STATUS_", b"_offload", b"flash_attention_")
# Lower case, as are the bytes they are looked for in. What the scanners know beside the catalogue: where one row
# answers for many spellings, all of them are here.
_CONFIGURATION = (
    *(b"cuda", b"nccl", b"nvidia", b"gpu", b"torch", b"triton", b"cudnn", b"nvtx", b"nvcc", b"flash_att"),
    *(b"fp16", b"float16", b"half", b"precision", b"tf32", b"8bit", b"4bit", b"fused", b"apex", b"paged", b"bnb"),
    *(b"accelerator", b"instance_type", b"instancetype", b"install", b"pip:", b"megatron"),
    *(b"_component_", b"_target_", b"class_path"),
)
_NATIVE = (b"cuda", b"__global__", b"__device__", b"<<<", b"nccl", b"cudnn", b"nvtx", b"half")
_CUDA_FILES = (".cu", ".cuh", ".ptx")

# What a Python file holds one of, if it has environment variables or commands at all.
_ENVIRONMENT = (b"env",)
_COMMANDS = (b"subprocess", b"system(", b"popen", b"which(", b"exec")
# Kinds of rows that configurations are looked through for.
_CONFIGURED = frozenset({"string", "environment", "command", "container", "resource", "config"})
# Arguments that take a device: it is the value that ties a program to CUDA, and it holds the word. Where nothing can be
# loaded to the device, every `map_location` that another file may give it matters.
_DEVICES = frozenset({"device", "device_type", "device_types", "map_location"})
# Classes whose members a file may use on objects of classes that another file derives from them.
_INHERITED = ("torch.Tensor", "torch.nn.Module", ".module.Module")
# What a training step has, a function that evaluates a model, and what comes before a model is moved.
_STEPS = (".backward(", ".step(", "no_grad", "inference_mode", ".parameters(", ".weight = self.")
_SHORT = 6  # letters below which a word stands inside others: `ncu` in `concurrent`

_IMPORT = re.compile(rb"import(?:_module\([\"']|[ \t]+)(\([^)]*|(?:[\w., \t]|\\\r?\n)+)")
_FROM = re.compile(rb"from[ \t]+([\w.]+)")
_ATTRIBUTE = re.compile(rb"\.(\w+)")
_NAME = re.compile(rb"\w+")
_WORD = re.compile(r"[^\s*{}:\[\]]+")


# Comments and string literals, each told by its first character: groups would make the search three times as long.
_TEXT = re.compile(
    rb"""#[^\n]*|\"\"\"[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*\"\"\"|'''[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*'''"""
    rb"""|"[^"\\\n]*(?:\\.[^"\\\n]*)*"|'[^'\\\n]*(?:\\.[^'\\\n]*)*'""",
    re.DOTALL,
)
_TRIPLE = (b'"""', b"'''")
_FORMATTED = (b"f", b"F")  # what stands before a text that is code in part
_HASH = ord("#")
_LONG = 60  # bytes: no name of a device is as long


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

    def __init__(self, catalogue: Catalogue, rules: Container[str], targets: Iterable[str] = TARGETS) -> None:
        """Derive the filter from the rows of the rules (by name) that are to run, as ``targets`` answer them."""
        targets = tuple(targets)
        rows = [row for row in catalogue.rows() if row.rule in rules and _matters(row, targets)]
        names: dict[str, list[str]] = {}
        for row in rows:
            names.setdefault(row.kind, []).extend((row.name, *row.also))
        members = {name for name in names.get("symbol", ()) if name.rpartition(".")[0].endswith(_INHERITED)}
        words = [f".{name.rpartition('.')[2]}" for name in (*members, *names.get("method", ()))]
        words += (name.rstrip("*") for name in names.get("string", ()))
        words += _STEPS if "step" in names else ()
        variables = [_literal(name) for name in names.get("environment", ())]
        python = (*_PYTHON, *_besides((*_PYTHON, *_SHARED), words))
        shared = {part: [word for word in (*words, *variables) if part in word.encode()] for part in _SHARED}
        self.gated = (
            *(((part,), _besides(_PYTHON, belonging)) for part, belonging in shared.items()),
            (_ENVIRONMENT, _besides((*python, *_SHARED), _quoted(variables))),
            (_COMMANDS, _besides(python, _quoted(_commands(names)))),
        )
        loads = all(SPELLED[target].loads for target in targets)
        self.imports = _imports(rows, members, _DEVICES if loads else _DEVICES - {"map_location"})
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
        return self._python(raw, tokens) and self._python(code(raw), tokens)

    def _python(self, raw: bytes, tokens: Iterable[bytes]) -> bool:
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


def code(raw: bytes) -> bytes:
    """A Python file without its comments and long texts: many a file speaks of CUDA in its documentation only."""
    kept: list[bytes] = []
    at = 0
    for match in _TEXT.finditer(raw):
        start, end = match.span()
        is_long = end - start > _LONG and raw[start : start + 3] in _TRIPLE
        if raw[start] == _HASH or (is_long and raw[start - 1 : start] not in _FORMATTED):
            kept.append(raw[at:start])
            at = end
    kept.append(raw[at:])
    return b"".join(kept)


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


def _matters(row: Row, targets: Iterable[str]) -> bool:
    """Whether a row has anything to say of a file that does not name CUDA: what works as it is, is no finding there."""
    return any(getattr(row, target).verdict is not Verdict.PORTABLE for target in targets)


def _imports(rows: Iterable[Row], members: Container[str], devices: Container[str]) -> dict[bytes, dict[bytes, Use]]:
    """The names of each package that matter, by their last part. Parameters in ``devices`` matter by their values."""
    found: dict[bytes, dict[bytes, list[tuple[bytes, frozenset[bytes]]]]] = {}
    for row in rows:
        for path, passed in _needs(row, members, devices):
            package, *rest = path.encode().split(b".")
            *above, name = rest or [b""]
            within = above[-1] if above else b""
            found.setdefault(package, {}).setdefault(name, []).append((within, passed))
    found[b"setuptools"] = {b"setup": [(b"", frozenset())]}  # lists requirements
    return {package: {name: _use(pairs) for name, pairs in names.items()} for package, names in found.items()}


def _needs(row: Row, members: Container[str], devices: Container[str]) -> Iterator[tuple[str, frozenset[bytes]]]:
    """The names that a file uses where the row matters, each with what it then also holds one of."""
    for name in (row.name, *row.also):
        if row.kind == "symbol" and name not in members and not _holds(name.encode(), _PYTHON):
            yield name.rstrip(".*"), frozenset()
        elif row.kind == "argument":
            function, parameter = parse_argument(name, row)
            if row.values or parameter.name not in devices:
                yield function, _passed(parameter)


def _passed(parameter: Parameter) -> frozenset[bytes]:
    """What a call holds one of that passes the parameter: its name, or the values that the row is about."""
    words = [_literal(value.strip("'")) for value in parameter.row.values if value.startswith("'")]
    if words and len(words) == len(parameter.row.values) and all(len(word) > 2 for word in words):
        return frozenset(word.encode() for word in words)
    named = (f"{parameter.name}=", f"{parameter.name} =") if parameter.position is None else ()
    return frozenset(name.encode() for name in named)


def _use(pairs: list[tuple[bytes, frozenset[bytes]]]) -> Use:
    within = frozenset(part for part, _ in pairs)
    arguments = [passed for _, passed in pairs]
    return Use(within if all(within) else frozenset(), frozenset().union(*arguments) if all(arguments) else frozenset())


def _literal(name: str) -> str:
    """The longest part of a row's name that stands in the file as it is: no blanks, no wildcard."""
    return max(_WORD.findall(name), key=len, default="")


def _lower(base: tuple[bytes, ...], names: Iterable[str]) -> tuple[bytes, ...]:
    """``base``, and a word of each name (in lower case) that holds none of it."""
    words = (_literal(name) for name in names if len(name) > 2 and not _holds(name.encode(), base))
    return (*base, *_besides(base, words))


def _commands(names: dict[str, list[str]]) -> Iterator[str]:
    """Commands as Python has them in strings: a package's name is one only with options behind it."""
    for name in names.get("command", ()):
        if " " not in name:  # one word is enough
            yield f"{name} -" if name in names.get("symbol", ()) else name


def _quoted(words: Iterable[str]) -> Iterator[str]:
    """Words that begin a string, with the quote (either) where they are too short to be told without."""
    for word in words:
        yield from (word,) if len(word) >= _SHORT else (f'"{word}', f"'{word}")


def _besides(known: tuple[bytes, ...], words: Iterable[str]) -> tuple[bytes, ...]:
    """Those of ``words`` that hold none of ``known`` nor of each other."""
    kept: list[bytes] = []
    for word in sorted({word.encode() for word in words if word}, key=lambda word: (len(word), word)):
        if not _holds(word, (*known, *kept)):
            kept.append(word)
    return tuple(kept)
