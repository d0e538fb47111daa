"""Arbitrary Python around CUDA constructs: strategies for programs, as text and as the bytes of a file.

Most of what they make parses. What the rules' cases say stands in it as it is, in places where nobody thought of it.
"""

from __future__ import annotations

import codecs
import json
import warnings
from functools import cache
from itertools import chain

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.fuzz import pool

Lines = list[str]

NAMES = (
    *("t", "nn", "x", "m", "model", "device", "dev", "args", "self", "cfg", "amp", "cuda", "dist", "F", "é", "変数"),
    *("_",),
)
STRINGS = (
    *("'cuda'", '"cuda"', '"cuda:0"', "'cuda:1'", "'nccl'", '"gloo"', "'cpu'", '"torch.cuda.FloatTensor"'),
    *("'neuron'", "r'cuda'", "b'cuda'", "u'cuda'", "'cu' 'da'", '"""cuda"""', "f'cuda'", "f'cuda:{x}'"),
    *("'cuda:{}'.format(x)", "f\"{x!r:>{m}} {'cuda'}\"", "f'{torch.device(\"cuda\")}'", "'cuda:%d' % x"),
    *("'cuda:' + str(x)", "'é cuda ü'", '"""a\n  cuda\n"""', "'a\\\n cuda'", "''", "'#'", "'\\N{BULLET} cuda'"),
    *("rf'{x}\\cuda'",),
)
IMPORTS = (
    *("import torch", "import torch as t", "import torch.cuda", "import torch.cuda.amp as amp"),
    *("import torch.nn as nn", "from torch import nn, cuda", "from torch import cuda as c"),
    *("from torch.cuda import amp, Stream as S", "from torch.cuda.amp import autocast, GradScaler as G"),
    *("from torch import *", "from torch.cuda import *", "import torch, os"),
    *("from torch.cuda.amp import (\n    autocast,  # why\n    GradScaler,\n)", "from . import torch"),
    *("import torch.distributed as dist", "import torch.nn.functional as F", "from apex import amp"),
    *("import os, sys", "from torch.nn.parallel import DistributedDataParallel as DDP", "from .torch import cuda"),
    *("import torchvision", "try:\n    import apex\nexcept ImportError:\n    apex = None"),
    *("from __future__ import annotations", "import xformers"),
)
PATTERNS = (
    *("_", "'cuda'", "'cuda' | 'cpu'", "{'device': 'cuda', **rest}", "[x, *_]", "torch.device(type='cuda')"),
    *("x as y",),
)
COMMENTS = (
    *("# why", "# porter: ignore[PRT101] because", "# noqa", "# noqa: PRT102", "# type: ignore"),
    *("# TODO(porter) PRT201: x", "# cuda ü", "# fmt: off", "#", "# porter: ignore-file", "# %%"),
)


def _join(template: str, **parts: SearchStrategy[str]) -> SearchStrategy[str]:
    return st.builds(template.format, **parts)


def _lots(item: SearchStrategy[str], glue: str, most: int = 3, least: int = 0) -> SearchStrategy[str]:
    return st.lists(item, min_size=least, max_size=most).map(glue.join)


names = st.sampled_from(NAMES)
strings = st.sampled_from(STRINGS)
comments = st.sampled_from(COMMENTS)
symbols = st.deferred(lambda: st.sampled_from(pool.symbols()))
methods = st.deferred(lambda: st.sampled_from(pool.methods()))


def _larger(inner: SearchStrategy[str]) -> SearchStrategy[str]:
    """Expressions made of smaller ones."""
    arguments = _lots(
        st.one_of(
            inner,
            _join("device={e}", e=inner),
            _join("{n}={e}", n=names, e=inner),
            _join("*{e}", e=names),
            _join("**{e}", e=names),
        ),
        ", ",
    )
    several = _lots(inner, ", ")
    loops = st.sampled_from(("for x in {e}", "for x, *m in {e} if {e}", "for x in y for m in {e}"))
    return st.one_of(
        _join("torch.device({e})", e=inner),
        _join("({e}).cuda({a})", e=inner, a=arguments),
        _join("{n}.to({a})", n=names, a=arguments),
        _join("{s}({a})", s=symbols, a=arguments),
        _join("{n}.{m}({a})", n=names, m=methods, a=arguments),
        _join("({e}).{m}({a})", e=inner, m=methods, a=arguments),
        _join("torch.zeros(1, device={e})", e=inner),
        _join("{n}.device.type == {e}", n=names, e=inner),
        _join("{n}.is_cuda and {e}", n=names, e=inner),
        _join("{e} if torch.cuda.is_available() else {f}", e=inner, f=inner),
        _join("getattr(torch, {e})", e=inner),
        _join("(lambda x, device='cuda': {e})", e=inner),
        _join("({n} := {e})", n=names, e=inner),
        _join("not {e}", e=inner),
        _join("({e}, {f})", e=inner, f=inner),
        _join("[{a}]", a=several),
        _join("{{{a}, {b}: {c}}}", a=_join("'k': {e}", e=inner), b=strings, c=inner),
        _join("{{*{n}, {e}}}", n=names, e=inner),
        st.builds(lambda e, loop, f: f"[{e} {loop.format(e=f)}]", inner, loops, inner),
        _join("{e}[{f}:{g}]", e=names, f=inner, g=inner),
        _join("({e} in {f} < {g})", e=inner, f=inner, g=inner),
        _join("(\n    {e}  # why\n    or\n\n  {f}\n)", e=inner, f=inner),
        _join("{n}({e}, \\\n    {f})", n=names, e=inner, f=inner),
        _join("f'{{{e}}}'", e=names),
    )


expressions = st.recursive(
    st.one_of(names, strings, symbols, st.sampled_from(("1", "None", "True", "...", "torch.cuda", "-0.5", "1_000j"))),
    _larger,
    max_leaves=6,
)
known = st.deferred(lambda: st.sampled_from(pool.statements()))
simple = st.one_of(
    expressions,
    _join("{n} = {e}", n=names, e=expressions),
    _join("{n} = {m} = {e}", n=names, m=names, e=expressions),
    _join("{n}: {t} = {e}", n=names, t=expressions, e=expressions),
    _join("{n} += {e}", n=names, e=expressions),
    _join("self.{n}, {m} = {e}, {f}", n=names, m=names, e=expressions, f=expressions),
    _join("return {e}", e=expressions),
    _join("{n} = await {e}", n=names, e=expressions),
    _join("yield {e}", e=expressions),
    _join("assert {e}, {f}", e=expressions, f=strings),
    _join("raise RuntimeError({e})", e=expressions),
    _join("del {n}", n=names),
    _join("global {n}", n=names),
    st.sampled_from(("pass", "break", "continue", "...", *(line for line in IMPORTS if "\n" not in line))),
)


@cache
def blocks(depth: int = 3) -> SearchStrategy[Lines]:
    """Lines of statements, not indented."""
    several = st.deferred(lambda: st.lists(statements(depth), min_size=1, max_size=4))  # its name does not grow
    return several.map(lambda parts: [*chain.from_iterable(parts)])


@cache
def statements(depth: int) -> SearchStrategy[Lines]:
    """One statement, or a few on one line."""
    plain = st.one_of(
        known.map(str.splitlines),
        st.sampled_from(IMPORTS).map(str.splitlines),
        simple.map(lambda text: text.split("\n")),
        st.builds(lambda parts, end: ["; ".join(parts) + end], st.lists(simple, min_size=1, max_size=3), _endings),
        st.sampled_from(("", "\f", "   ", "# why", "# porter: ignore[PRT1]", "\\\n")).map(
            lambda line: line.split("\n")
        ),
    )
    return st.one_of(plain, plain, _compound(depth)) if depth else plain


_endings = st.one_of(st.just(""), st.just(";"), comments.map("  {}".format))


@cache
def _compound(depth: int) -> SearchStrategy[Lines]:
    block, e = blocks(depth - 1), expressions
    function = st.builds(
        lambda d, a, n, p, r, b: [*([f"@{d}"] if d else []), f"{a}def {n}({p}){r}:", *_in(b)],
        st.one_of(st.just(""), e),
        st.sampled_from(("", "async ")),
        names,
        st.sampled_from(
            ("", "self", "x, device='cuda'", "x, /, m: torch.cuda.FloatTensor = None, *args, dev='cuda', **cfg")
        ),
        st.sampled_from(("", " -> torch.Tensor", " -> 'torch.cuda.Stream'")),
        block,
    )
    return st.one_of(
        function,
        st.builds(
            lambda n, p, b: [f"class {n}{p}:", *_in(b)], names, st.sampled_from(("", "()", "(nn.Module)")), block
        ),
        st.builds(lambda c, b, d: [f"if {c}:", *_in(b), "else:", *_in(d)], e, block, block),
        st.builds(lambda c, s: [f"if {c}: {s}"], e, simple),
        st.builds(
            lambda c, b, d, f: [f"if {c}:", *_in(b), f"elif {d}:", *_in(f)],
            st.sampled_from(("torch.cuda.is_available()", "x.is_cuda", "device.type == 'cuda'", "use_cuda")),
            block,
            e,
            block,
        ),
        st.builds(
            lambda a, n, c, b: [f"{a}for {n} in {c}:", *_in(b)], st.sampled_from(("", "async ")), names, e, block
        ),
        st.builds(lambda c, b: [f"while {c}:", *_in(b)], e, block),
        st.builds(lambda c, n, b: [f"with {c} as {n}, {c}:", *_in(b)], e, names, block),
        st.builds(lambda c, b: [f"with ({c}):", *_in(b)], e, block),
        st.builds(
            lambda b, c, d, f: ["try:", *_in(b), f"except {c} as x:", *_in(d), "finally:", *_in(f)],
            block,
            e,
            block,
            block,
        ),
        st.builds(lambda c, p, b: [f"match {c}:", f"    case {p}:", *_in(_in(b))], e, st.sampled_from(PATTERNS), block),
        st.builds(lambda n, b: [f"def {n}():", '    """cuda é"""', *_in(b)], names, block),
    )


def _in(lines: Lines) -> Lines:
    return [f"    {line}" if line.strip() else line for line in lines]


def parses(text: str) -> bool:
    """Whether Python takes it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, "x.py", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True


programs = st.builds(
    lambda imports, block: "\n".join([*imports, *block]) + "\n",
    st.lists(st.sampled_from(IMPORTS), max_size=3),
    blocks(),
)
EXTRAS = st.sampled_from(("", "#!/usr/bin/env python\n", '"""Doc of cuda."""\n', "# -*- coding: {encoding} -*-\n"))
ENCODINGS = ("utf-8", "utf-8-sig", "latin-1", "cp1252", "koi8-r", "shift_jis", "gbk", "utf-7", "big5", "mac-roman")


def _laid_out(text: str, head: str, indent: str, newline: str, encoding: str, end: bool) -> bytes:
    """A program as a file: indentation, line ends, encoding, byte order mark, and with or without its last newline."""
    if indent != "    ":
        text = "\n".join(_indented(line, indent) for line in text.split("\n"))
    if encoding not in ("utf-8", "utf-8-sig") and "coding" not in head:
        head = f"# coding={encoding}\n"
    text = head.format(encoding=encoding) + text
    text = (text if end else text.rstrip("\n")).replace("\n", newline)
    mark = codecs.BOM_UTF8 if encoding == "utf-8-sig" else b""
    return mark + text.encode(encoding.removesuffix("-sig"), "replace")


def _indented(line: str, unit: str) -> str:
    body = line.lstrip(" ")
    deep, rest = divmod(len(line) - len(body), 4)
    return unit * deep + " " * rest + body


sources: SearchStrategy[bytes] = st.one_of(
    programs.map(str.encode),
    st.builds(
        _laid_out,
        programs,
        EXTRAS,
        st.sampled_from(("    ", "\t", "  ", " ")),
        st.sampled_from(("\n", "\r\n", "\r")),
        st.sampled_from(ENCODINGS),
        st.booleans(),
    ),
)
cells = st.lists(
    st.one_of(
        programs,
        st.sampled_from(
            ("%%bash\nnvidia-smi\n", "!pip install torch\n", "%matplotlib inline\nimport torch", "%%time\nx.cuda()")
        ),
        st.just("x = !nvidia-smi\ny = %env CUDA_VISIBLE_DEVICES\nx?"),
    ),
    max_size=4,
)
PLAIN = ("unrelated_a = [1, 2, 3]\n", "# a comment\n\n", "unrelated_d: int = 3\nprint(unrelated_d)\n", "\n\n\n")
DEFINITIONS = (
    'def unrelated_b(alpha, beta=2):\n    """Nothing."""\n    return alpha + beta\n',
    "class UnrelatedC:\n    field: int = 1\n",
    "if unrelated_e := 3:\n    print(unrelated_e)\n",
)
plain = st.sampled_from(PLAIN)
unrelated = st.sampled_from((*PLAIN, *DEFINITIONS))


def _notebook(texts: list[str], listed: bool, ascii_only: bool, indent: int | None) -> bytes:
    found = [
        {"cell_type": "code", "metadata": {}, "source": text.splitlines(keepends=True) if listed else text}
        for text in texts
    ]
    return json.dumps({"cells": found, "nbformat": 4}, ensure_ascii=ascii_only, indent=indent).encode()


notebooks = st.builds(_notebook, cells, st.booleans(), st.booleans(), st.sampled_from((None, 1, 2)))
files: SearchStrategy[tuple[str, bytes]] = st.one_of(
    sources.map(lambda raw: ("case.py", raw)),
    sources.map(lambda raw: ("test_case.py", raw)),
    sources.map(lambda raw: ("pkg/__init__.py", raw)),
    notebooks.map(lambda raw: ("case.ipynb", raw)),
)
