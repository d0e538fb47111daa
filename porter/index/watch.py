"""What the index looks for, derived from the catalogue."""

from __future__ import annotations

import re
from collections.abc import Callable, Container
from typing import TYPE_CHECKING

import msgspec

from porter.catalog import is_member

if TYPE_CHECKING:
    from porter.catalog import Catalogue

DEVICE_TEXT = re.compile(r"cuda(?::(?:\d+|\{\}|))?")
BACKEND_TEXT = re.compile(r"nccl|(?:\w+:\w+,)*(?:\w+:nccl|cuda:\w+)(?:,\w+:\w+)*", re.I)
TOKENS = re.compile(r"cuda|nccl|cudnn|nvtx|nvidia|triton|flash_attn|gpu", re.I)
VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")


class Watch(msgspec.Struct, frozen=True):
    """Names, methods, arguments and strings that have a row."""

    symbols: frozenset[str]
    namespaces: tuple[str, ...]  # with a final dot
    roots: frozenset[str]
    methods: frozenset[str]
    arguments: dict[str, dict[str, int | None]]  # callable -> parameter -> position
    has: Callable[[str, str], bool]  # (kind, name): is there a row?

    def match(self, qualified: str) -> str | None:
        """The watched part of a qualified name: ``torch.cuda.Event`` of ``torch.cuda.Event.__init__``."""
        root, dot, _ = qualified.partition(".")
        if root not in self.roots:
            return None
        name = qualified
        while name and name not in self.symbols:
            name = name.rpartition(".")[0]
        if qualified.startswith(self.namespaces):
            space = max((n for n in self.namespaces if qualified.startswith(n)), key=len)
            if len(name) < len(space):
                return space + qualified[len(space) :].partition(".")[0]
        return name or None


def watch(catalogue: Catalogue, rules: Container[str] | None = None) -> Watch:
    """What to look for with this catalogue, for these rules (None: all)."""

    def on(name: str) -> bool:
        row = catalogue.find("symbol", name)
        return row is not None and (rules is None or row.rule in rules)

    symbols = frozenset(filter(on, catalogue.symbols))
    owners = {name.rpartition(".")[2] for name in symbols if is_member(name)}
    free = {n for n in catalogue.methods if (row := catalogue.find("method", f".{n}")) and (rules is None or row.rule in rules)}
    return Watch(
        symbols=symbols,
        namespaces=catalogue.namespaces,
        roots=frozenset(n.partition(".")[0] for n in (*symbols, *catalogue.namespaces)),
        methods=frozenset(owners | free),
        arguments={f: {n: p.position for n, p in ps.items()} for f, ps in catalogue.arguments.items()},
        has=lambda kind, name: catalogue.find(kind, name) is not None,
    )
