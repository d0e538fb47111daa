"""Literate cases: Markdown that is a rule's specification and its test at once.

A heading names a case, a fenced block is a file, and what porter must find stands on the line it is about::

    ## Hit

    ```py
    x = torch.zeros(3, device="cuda")  # error: [hardcoded-cuda-device] auto
    ```

    ```fixed
    x = torch.zeros(3, device="neuron")
    ```

- ``# error: [rule] verdict`` (or ``// error:``) ends a line, once for each finding; the verdict may be left out.
  porter never sees these comments. Every finding must be expected, but for `portable` ones.
- For formats without comments a ``findings`` block follows, a line each: ``LINE rule verdict``.
- A ``problems`` block says what porter must complain of in the file before it, a part of each message on a line.
- A ``fixed`` block holds the text of the block before it after `porter rewrite`; ``fixed target=xla`` for that target.
- Blocks with a ``title="path"`` under one heading are one repository; without titles each block is a case of its own.
  A title of ``pyproject.toml`` gives settings.
- ``ipynb-py`` blocks are notebooks: ``# %%`` begins a cell, ``# %% [markdown]`` one of text.
- Blocks in `PROSE` languages are for the reader alone.

Every case is rewritten as well: the result must parse, and a second rewrite must change nothing.
``UPDATE=1 pytest`` writes what porter does into the ``fixed`` blocks: read the diff before you commit it.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

# The file that a block without a title becomes, by the language of its fence.
FILES = {
    "py": "case.py",
    "ipynb-py": "case.ipynb",
    "sh": "case.sh",
    "slurm": "job.sbatch",
    "dockerfile": "Dockerfile",
    "make": "Makefile",
    "cmake": "CMakeLists.txt",
    "yaml": "config.yaml",
    "toml": "config.toml",
    "json": "config.json",
    "ini": "setup.cfg",
    "text": "requirements.txt",
    "cpp": "kernel.cpp",
    "cuda": "kernel.cu",
}
PROSE = ("console", "diff", "pycon")
VERDICTS = ("portable", "auto", "review", "manual", "blocked", "unknown")

_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*$")
_FENCE = re.compile(r"(`{3,}|~{3,})\s*(\S*)\s*(.*?)\s*$")
_MARKERS = re.compile(r"[ \t]*(?:#|//) ?error:.*$")
_MARKER = re.compile(r"(?:#|//) error: \[([a-z0-9-]+)\](?: ([a-z]+))?\s*")
_CELL = re.compile(r"# %%( \[markdown\])?$")


class BadCase(Exception):
    """A Markdown file that does not follow the rules above."""


@dataclass(frozen=True)
class Block:
    """A fenced block: ``line`` is that of its first line of text, ``ordinal`` its place in the document."""

    language: str
    attributes: dict[str, str]
    text: str
    line: int
    ordinal: int


@dataclass(frozen=True)
class Expected:
    """A finding that a case asks for. ``line`` counts from 1 within the block."""

    line: int
    rule: str
    verdict: str | None


@dataclass
class File:
    """A file of a case, markers taken out, with what is expected of it."""

    path: str
    language: str
    text: str
    line: int
    expected: list[Expected]
    problems: list[str] = field(default_factory=list)
    fixed: dict[str, Block] = field(default_factory=dict)

    @property
    def content(self) -> str:
        """What is written to disk."""
        return pack(self.text) if self.language == "ipynb-py" else self.text


@dataclass
class Case:
    """A small repository under one heading."""

    heading: tuple[str, ...]
    files: list[File]

    @property
    def line(self) -> int:
        """Where the first block begins in the Markdown file."""
        return self.files[0].line


def parse(text: str) -> list[Case]:
    """The cases of one Markdown document, in order. Raises BadCase."""
    cases = []
    for heading, blocks in _sections(text):
        titled = any("title" in block.attributes for block in blocks)
        case = Case(heading, [])
        for block in blocks:
            if block.language in PROSE:
                continue
            if block.language in ("fixed", "findings", "problems"):
                _attach(block, case)
                continue
            if case.files and not titled:
                cases.append(case)
                case = Case(heading, [])
            case.files.append(_file(block))
        if case.files:
            cases.append(case)
    return cases


def update(text: str, replacements: dict[int, str]) -> str:
    """``text`` with the blocks of the given ordinals holding other texts."""
    lines = text.splitlines(keepends=True)
    for block in reversed([block for _, blocks in _sections(text) for block in blocks]):
        if block.ordinal in replacements:
            end = block.line - 1 + len(block.text.splitlines())
            lines[block.line - 1 : end] = [replacements[block.ordinal]]
    return "".join(lines)


def cells(text: str) -> Iterator[tuple[int, bool, str]]:
    """The cells of an ``ipynb-py`` block: line of the first line of code, whether it is code, source."""
    lines = text.splitlines()
    starts = [i for i, line in enumerate(lines) if _CELL.match(line)]
    if not starts or starts[0]:
        raise BadCase("an ipynb-py block begins with `# %%`")
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        yield start + 2, lines[start] == "# %%", "\n".join(lines[start + 1 : end])


def pack(text: str) -> str:
    """The notebook that an ``ipynb-py`` block stands for, as Jupyter would save it."""
    output: dict[str, object] = {"execution_count": None, "metadata": {}, "outputs": []}
    notebook = {
        "cells": [
            {"cell_type": "code", **output, "source": source.splitlines(keepends=True)}
            if is_code
            else {"cell_type": "markdown", "metadata": {}, "source": source.splitlines(keepends=True)}
            for _, is_code, source in cells(text)
        ],
        "metadata": {"language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 4,
    }
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def unpack(notebook: str) -> str:
    """The ``ipynb-py`` block that stands for a notebook: the inverse of `pack`."""
    text = ""
    for cell in json.loads(notebook)["cells"]:
        separator = "# %%" if cell["cell_type"] == "code" else "# %% [markdown]"
        source = "".join(cell["source"])
        text += f"{separator}\n{source}\n" if source else f"{separator}\n"
    return text


def _sections(text: str) -> list[tuple[tuple[str, ...], list[Block]]]:
    """Headings, each as its path below the document's title, with the blocks directly under them."""
    sections: list[tuple[tuple[str, ...], list[Block]]] = [((), [])]
    path: list[tuple[int, str]] = []
    lines = iter(enumerate(text.splitlines(keepends=True), start=1))
    ordinal = 0
    for number, line in lines:
        if heading := _HEADING.match(line):
            level = len(heading[1])
            path = [*((depth, name) for depth, name in path if depth < level), (level, heading[2])]
            sections.append((tuple(name for depth, name in path if depth > 1), []))
        elif fence := _FENCE.match(line):
            body = []
            for _, inner in lines:
                if inner.strip() == fence[1]:
                    break
                body.append(inner)
            else:
                raise BadCase(f"line {number}: the block is never closed")
            attributes = dict(part.partition("=")[::2] for part in shlex.split(fence[3]))
            sections[-1][1].append(Block(fence[2], attributes, "".join(body), number + 1, ordinal))
            ordinal += 1
    return sections


def _file(block: Block) -> File:
    """The file that a block is, with its markers read and removed."""
    if block.language not in FILES:
        raise BadCase(f"line {block.line - 1}: a block of language {block.language!r} is neither a file nor prose")
    expected: list[Expected] = []
    lines = []
    for number, line in enumerate(block.text.splitlines(keepends=True), start=1):
        found = _MARKERS.search(line)
        if found:
            where = block.line - 1 + number
            expected += [_expected(number, rule, verdict, where) for rule, verdict in _MARKER.findall(found[0])]
            if _MARKER.sub("", found[0]).strip():
                raise BadCase(f"line {where}: not an `error: [rule]` marker: {found[0].strip()}")
        lines.append(f"{line[: found.start()]}\n" if found else line)
    path = block.attributes.get("title", FILES[block.language])
    return File(path, block.language, "".join(lines), block.line, expected)


def _attach(block: Block, case: Case) -> None:
    """Give a ``fixed``, ``findings`` or ``problems`` block to the file it speaks of."""
    title = block.attributes.get("title")
    owners = [file for file in case.files if title in (None, file.path)]
    if not owners:
        raise BadCase(f"line {block.line - 1}: this {block.language} block follows no block {title or ''}".rstrip())
    owner = owners[-1]
    if block.language == "fixed":
        owner.fixed[block.attributes.get("target", "neuron")] = block
        return
    if block.language == "problems":
        owner.problems += block.text.splitlines()
        return
    for number, line in enumerate(block.text.splitlines(), start=block.line):
        at, rule, verdict = (*line.split(), "")[:3]
        owner.expected.append(_expected(int(at), rule, verdict, number))


def _expected(line: int, rule: str, verdict: str, where: int) -> Expected:
    if verdict and verdict not in VERDICTS:
        raise BadCase(f"line {where}: {verdict!r} is no verdict")
    return Expected(line, rule, verdict or None)
