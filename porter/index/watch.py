"""What the index looks for, derived from the catalogue."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

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


def watch(catalogue: Catalogue) -> Watch:
    """What to look for with this catalogue."""
    return Watch(
        symbols=catalogue.symbols,
        namespaces=catalogue.namespaces,
        roots=frozenset(n.partition(".")[0] for n in (*catalogue.symbols, *catalogue.namespaces)),
        methods=catalogue.methods,
        arguments={f: {n: p.position for n, p in ps.items()} for f, ps in catalogue.arguments.items()},
        has=lambda kind, name: catalogue.find(kind, name) is not None,
    )
