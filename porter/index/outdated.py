"""What has become a keyword of Python, where nothing else keeps a file from being parsed: ``x.cuda(async=True)``."""

from __future__ import annotations

import ast
import re
import warnings
from itertools import accumulate

from porter.index.site import Site
from porter.sources.source import Source

ASYNC = "torch.Tensor.cuda(async)"
_NOW = b"non_blocking"
_WRITTEN = re.compile(rb"(?<=[(,\s])async(?=\s*=(?!=))")
_TAKING = frozenset({"cuda", "copy_", "to", "type"})  # methods of tensors whose argument has been renamed


def outdated(source: Source) -> list[Site]:
    """The arguments that PyTorch calls otherwise by now; none where a file does not parse with that name either."""
    found = list(_WRITTEN.finditer(source.text)) if source.kind == "python" else []
    text = _WRITTEN.sub(_NOW, source.text)
    tree = _parsed(text) if found else None
    if tree is None:
        return []
    named, longer = _named(tree, text), len(_NOW) - len("async")
    spans = [m.span() for n, m in enumerate(found) if m.start() + n * longer in named]
    if not spans or _parsed(_renamed(source.text, spans)) is None:
        return []
    return [Site("argument", ASYNC, start, end, source.line(start), "text") for start, end in spans]


def _parsed(text: bytes) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text.decode())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _named(tree: ast.Module, text: bytes) -> set[int]:
    """Where the arguments stand that tensors' methods are given by the new name."""
    lines = [0, *accumulate(map(len, text.splitlines(keepends=True)))]
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    methods = (call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr in _TAKING)
    keywords = (keyword for call in methods for keyword in call.keywords if keyword.arg == _NOW.decode())
    return {lines[keyword.lineno - 1] + keyword.col_offset for keyword in keywords}


def _renamed(text: bytes, spans: list[tuple[int, int]]) -> bytes:
    for start, end in reversed(spans):
        text = text[:start] + _NOW + text[end:]
    return text
