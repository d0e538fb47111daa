"""The ground truth: every line of Python whose code says cuda, nccl, cudnn or nvtx.

"Says" means: in a string (also the text of an f-string), as an attribute, or in an import. Comments, docstrings and
other strings that stand as statements do not count, nor do plain names (``use_cuda = 1``).

This module is meant to be an independent witness: it knows tokens only, and shares nothing with porter.
``python -m tests.ecosystem.truth FILE...`` prints what it sees.
"""

from __future__ import annotations

import io
import json
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path
from token import DEDENT, ENDMARKER, INDENT, NAME, NEWLINE, NL, OP, STRING
from typing import NamedTuple

WORD = re.compile("cuda|nccl|cudnn|nvtx", re.IGNORECASE)
LAYOUT = {NL, INDENT, DEDENT, ENDMARKER, tokenize.COMMENT, tokenize.ENCODING}
# Python 3.12 and later split an f-string, 3.14 a t-string, into tokens: START, MIDDLE, those of the fields, END.
TEMPLATE = {getattr(tokenize, name) for name in ("FSTRING_MIDDLE", "TSTRING_MIDDLE") if hasattr(tokenize, name)}
TEMPLATE_ENDS = {
    getattr(tokenize, kind + end)
    for kind in ("FSTRING_", "TSTRING_")
    for end in ("START", "END")
    if hasattr(tokenize, kind + end)
}
MAGIC = re.compile(r"^\s*[%!?]|\?\s*$")
TRANSPARENT_CELL_MAGIC = re.compile(r"%%(time|timeit|capture|prun)\b")


class Mention(NamedTuple):
    """One line that says one of the words, in one way."""

    cell: int | None  # of a notebook, from 0
    line: int  # from 1, within the cell if there is one
    what: str  # string, attribute or import
    text: str  # the token's part on that line
    end: int  # the last line that belongs to it: of the statement for the module of ``from module import (names)``


def mentions(path: Path) -> list[Mention]:
    """All mentions of a ``.py`` or ``.ipynb`` file; of one that cannot be read, those before the error."""
    if path.suffix == ".ipynb":
        return [Mention(cell, *found) for cell, text in cells(path) for found in scan(text)]
    return [Mention(None, *found) for found in scan(decode(path.read_bytes()))]


def decode(content: bytes) -> str:
    """The file as text, by its coding cookie; as Latin-1 where that fails."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        return content.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError):
        return content.decode("latin-1")


def cells(path: Path) -> Iterator[tuple[int, str]]:
    """Number and Python text of every code cell, magics blanked out; nothing for a broken notebook."""
    try:
        notebook = json.loads(path.read_bytes())["cells"]
    except (ValueError, KeyError, TypeError):
        return
    for number, cell in enumerate(notebook):
        text = "".join(cell.get("source", ""))
        if cell.get("cell_type") == "code" and (not text.startswith("%%") or TRANSPARENT_CELL_MAGIC.match(text)):
            yield number, "\n".join("" if MAGIC.search(line) else line for line in text.split("\n"))


def scan(text: str) -> Iterator[tuple[int, str, str, int]]:
    """Line, kind, text and last line of every mention in a piece of Python."""
    if not WORD.search(text):
        return
    statement: list[tokenize.TokenInfo] = []
    for token in tokens(text):
        if token.type == NEWLINE:
            yield from in_statement(statement)
            statement = []
        elif token.type not in LAYOUT:
            statement.append(token)
    yield from in_statement(statement)


def tokens(text: str) -> Iterator[tokenize.TokenInfo]:
    """The tokens up to the end of the text or the first that Python cannot read."""
    try:
        yield from tokenize.generate_tokens(io.StringIO(text).readline)
    except (tokenize.TokenError, SyntaxError):
        return


def in_statement(statement: list[tokenize.TokenInfo]) -> Iterator[tuple[int, str, str, int]]:
    """Mentions within one logical line, given without its layout tokens."""
    if all(token.type == STRING or token.type in TEMPLATE | TEMPLATE_ENDS for token in statement):
        return  # a docstring, or a string that stands for a comment
    importing, starts, depth, before = "", True, 0, ""
    for token in statement:
        if token.type == OP:
            depth += (token.string in "([{") - (token.string in ")]}")
        if starts or (importing and token.string == "import"):
            importing = token.string if token.string in ("import", "from") else ""
        starts = token.string == ";" or (token.string == ":" and depth == 0)
        if token.type == STRING or token.type in TEMPLATE:
            yield from in_string(token)
        elif token.type == NAME and WORD.search(token.string):
            if importing:
                last = statement[-1].end[0] if importing == "from" else token.start[0]
                yield token.start[0], "import", token.string, last
            elif before == ".":
                yield token.start[0], "attribute", token.string, token.start[0]
        before = token.string


def in_string(token: tokenize.TokenInfo) -> Iterator[tuple[int, str, str, int]]:
    """Mentions within one string token, line by line; the fields of a whole f-string are scanned as code."""
    text = token.string
    fields: list[tuple[int, str]] = []
    if token.type == STRING and "f" in re.match("[A-Za-z]*", text)[0].lower():  # type: ignore[index]
        text, fields = split_template(text)
    for offset, line in enumerate(text.split("\n")):
        if WORD.search(line):
            yield token.start[0] + offset, "string", line.strip(), token.start[0] + offset
    for offset, code in fields:
        above = token.start[0] + offset - 1
        for line_number, what, found, end in scan(f"({code})"):
            yield above + line_number, what, found, above + end


def split_template(text: str) -> tuple[str, list[tuple[int, str]]]:
    """An f-string's own text, and line offset and code of its fields (format and conversion stay with the text)."""
    own: list[str] = []
    fields: list[tuple[int, str]] = []
    depth = start = i = 0
    while i < len(text):
        char = text[i]
        if depth == 0 and text[i : i + 2] in ("{{", "}}"):
            own.append(char)
            i += 1
        elif char == "{":
            depth += 1
            start = i + 1 if depth == 1 else start
        elif char == "}" and depth:
            depth -= 1
            if depth == 0:
                code, rest = split_field(text[start:i])
                fields.append((text.count("\n", 0, start), code))
                own.append(rest)
        elif depth == 0:
            own.append(char)
        if depth and char == "\n":
            own.append(char)
        i += 1
    return "".join(own), fields


def split_field(field: str) -> tuple[str, str]:
    """The expression of a replacement field, and its conversion and format."""
    match = re.search(r"(![rsa])?(:[^\[\](){}'\"]*(\{[^{}]*\})?[^\[\](){}'\"]*)?$", field)
    cut = match.start() if match else len(field)
    return field[:cut].rstrip("= "), field[cut:].replace("\n", "")


def main(paths: Iterable[str]) -> None:
    """Print the mentions of every file given."""
    for path in paths:
        for mention in mentions(Path(path)):
            cell = "" if mention.cell is None else f"{mention.cell}:"
            print(f"{path}:{cell}{mention.line}: {mention.what}: {mention.text}")


if __name__ == "__main__":
    main(sys.argv[1:])
