"""What the index looks for, derived from the catalogue."""

from __future__ import annotations

import re
from collections.abc import Callable, Container
from typing import TYPE_CHECKING

import msgspec

from porter.catalog import is_member
from porter.model import Verdict

if TYPE_CHECKING:
    from porter.catalog import Catalogue

_PLACEHOLDER = re.compile(r"%[dsi]|\{[^{}]*\}")
_DEVICE = re.compile(r"cuda(?:\{\}|:(?:\d+|\{\}|))?")
_BACKEND = re.compile(r"nccl|(?:\w+:\w+,)*(?:\w+:nccl|(?-i:cuda:[a-z]\w*))(?:,\w+:\w+)*", re.I)
_WORDS = re.compile(r"cuda|nccl|cudnn|nvtx|nvidia|triton|flash_attn|gpu", re.I)
_VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|CUDA[A-Z]+")  # CUDA_HOME, CUDAHOME
_MEMORY = re.compile(r"(?:cuda.*)?out of memory|oom", re.I)
_LONG = 4000  # characters: longer texts are programs or data, not names


class Watch(msgspec.Struct, frozen=True):
    """Names, methods, arguments and texts that have a row."""

    symbols: frozenset[str]
    namespaces: frozenset[str]  # with a final dot
    stems: tuple[str, ...]  # beginnings of names that have a row: torch._C._cuda
    roots: frozenset[str]
    methods: frozenset[str]
    arguments: dict[str, dict[str, int | None]]  # callable -> parameter -> position
    texts: frozenset[str]  # strings that have a row, without those that `has` finds by a prefix
    text_prefixes: tuple[str, ...]
    commands: frozenset[str]
    has: Callable[[str, str], bool]  # (kind, name): is there a row?
    steps: bool = False  # whether the steps of training loops are sites

    def match(self, qualified: str) -> str | None:
        """The watched part of a qualified name: ``torch.cuda.Event`` of ``torch.cuda.Event.__init__``."""
        if qualified.partition(".")[0] not in self.roots:
            return None
        name = qualified
        while name and name not in self.symbols:
            name = name.rpartition(".")[0]
        space = qualified
        while space and f"{space}." not in self.namespaces:
            space = space.rpartition(".")[0]
        if self.stems and qualified.startswith(self.stems):
            stem = next(stem for stem in self.stems if qualified.startswith(stem))
            return ".".join(qualified.split(".")[: stem.count(".") + 1])
        if space and space != qualified and len(name) <= len(space):
            return f"{space}.{qualified[len(space) + 1 :].partition('.')[0]}"
        return name or None

    def text_kind(self, value: str) -> tuple[str | None, str]:
        """The site kind and name of a text; None where it is of no interest."""
        if value in self.texts or (self.text_prefixes and value.startswith(self.text_prefixes)):
            return "string", value
        if _WORDS.search(value) is None:
            return self._plain(value)
        if len(value) > _LONG:
            return "string", value[:80]
        if "cuda" in value:
            device = _PLACEHOLDER.sub("{}", value)
            if _DEVICE.fullmatch(device):
                return "device", device + "{}" if device.endswith(":") else device
        if _BACKEND.fullmatch(value):
            return "backend", value.lower()
        if _VARIABLE.fullmatch(value) and self.has("environment", value):
            return "environment", value
        if _MEMORY.match(value):
            return "string", "CUDA out of memory"
        word = value.split(None, 1)[0] if value[:1].isalnum() else ""
        if word in self.commands:
            return "command", word
        return "string", value[:200]

    def _plain(self, value: str) -> tuple[str | None, str]:
        """Texts without a telling word: variables and commands by their own names."""
        if len(value) > 200:
            return None, ""
        if value.isupper() and _VARIABLE.fullmatch(value) and self.has("environment", value):
            return "environment", value
        if value.endswith("emory") and _MEMORY.match(value):
            return "string", "CUDA out of memory"
        word = value.partition(" ")[0]
        return ("command", word) if word in self.commands else (None, "")


def watch(catalogue: Catalogue, rules: Container[str] | None = None, target: str = "") -> Watch:
    """What to look for with this catalogue, for these rules (None: all) and, as far as it matters, this target."""

    def on(name: str) -> bool:
        row = catalogue.find("symbol", name)
        return row is not None and (rules is None or row.rule in rules)

    symbols = frozenset(filter(on, catalogue.symbols))
    owners = {name.rpartition(".")[2] for name in symbols if is_member(name)}
    free = {
        n
        for n in catalogue.methods
        if (row := catalogue.find("method", f".{n}")) and (rules is None or row.rule in rules)
    }
    strings = {n for row in catalogue.rows() if row.kind == "string" for n in (row.name, *row.also)}
    return Watch(
        symbols=symbols,
        namespaces=frozenset(n for n in catalogue.namespaces if n.endswith(".")),
        stems=tuple(n for n in catalogue.namespaces if not n.endswith(".")),
        roots=frozenset(n.partition(".")[0] for n in (*symbols, *catalogue.namespaces)),
        methods=frozenset(owners | free),
        arguments={f: {n: p.position for n, p in ps.items()} for f, ps in catalogue.arguments.items()},
        texts=frozenset(n for n in strings if not n.endswith("*")),
        text_prefixes=tuple(sorted(n[:-1] for n in strings if n.endswith("*"))),
        commands=frozenset(n for row in catalogue.rows() if row.kind == "command" for n in (row.name, *row.also)),
        has=lambda kind, name: catalogue.find(kind, name) is not None,
        steps=any(
            row.kind == "step" and getattr(row, target).verdict is not Verdict.PORTABLE
            for row in (catalogue.rows() if target else ())
            if rules is None or row.rule in rules
        ),
    )
